package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// The reference of the configuration is made from the declarations of its keys. Tests
// compare assets/reference.md with it, and write it with -update.

// Setting describes one key of the configuration.
type Setting struct {
	// Path is the key with its sections; "[]" is the index of a list.
	Path string
	// Variable is the environment variable that sets it. It is empty for lists
	// and for keys of their entries.
	Variable string
	// Type names the type of the value: "a whole number".
	Type string
	// Default is the value as YAML, "required" or "none".
	Default string
	// Limits completes the sentence "must be …": "from 1s to 10m". It may be
	// empty.
	Limits string
	// Doc describes the key in sentences.
	Doc string
	// Restart reports whether a change of the key needs a restart.
	Restart bool
}

// Reference returns a description of every key that holds a value or a list, in
// the order of the file.
func Reference() []Setting {
	var list []Setting
	for _, s := range settings("", reflect.ValueOf(Default())) {
		list = append(list, Setting{
			Path:     s.path,
			Variable: s.variable(),
			Type:     noun(s.typ),
			Default:  s.fallback(s.value),
			Limits:   s.limits(),
			Doc:      s.doc + s.restartSentence(),
			Restart:  s.restart,
		})
	}
	return list
}

func noun(t reflect.Type) string {
	if l, ok := leafOf(t); ok {
		return l.noun
	}
	if l, ok := leafOf(t.Elem()); ok {
		return "a list, each entry " + l.noun
	}
	return "a list of sections"
}

// WriteReference writes the [Reference] as a table in Markdown.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| key | what it does | limits | default | variable |\n|---|---|---|---|---|\n")
	for _, s := range Reference() {
		limits := s.Type
		if s.Limits != "" {
			limits += ": " + s.Limits
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.Path, s.Doc, limits, code(s.Default), code(s.Variable))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
