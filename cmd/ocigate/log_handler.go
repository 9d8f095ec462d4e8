package main

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"ocigate/config"
)

// A logHandler writes log lines with a level and a format that can be changed while it is
// used. Handlers that are derived from it change together with it.
type logHandler struct {
	settings   *logSettings
	text, json slog.Handler
}

// logSettings are the level and the format of all handlers that share them.
type logSettings struct {
	level  slog.LevelVar
	asText atomic.Bool
}

// newLogHandler returns a handler with the level and the format of the configuration.
func newLogHandler(c config.Log, to io.Writer) *logHandler {
	h := &logHandler{settings: &logSettings{}}
	options := &slog.HandlerOptions{Level: &h.settings.level}
	h.text, h.json = slog.NewTextHandler(to, options), slog.NewJSONHandler(to, options)
	h.configure(c)
	return h
}

// configure sets the level and the format of the lines from now on.
func (h *logHandler) configure(c config.Log) {
	h.settings.level.Set(c.Level.Slog())
	h.settings.asText.Store(c.Format == config.LogText)
}

// current returns the handler of the effective format.
func (h *logHandler) current() slog.Handler {
	if h.settings.asText.Load() {
		return h.text
	}
	return h.json
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.settings.level.Level()
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.current().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.settings, h.text.WithAttrs(attrs), h.json.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.settings, h.text.WithGroup(name), h.json.WithGroup(name)}
}
