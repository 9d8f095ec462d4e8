//go:build linux

package main

import (
	"bufio"
	"io"
	"net/http"
	"os"

	"github.com/labstack/echo/v4"

	"ocigate/config"
)

// echoRole is an Echo server that answers every read of numbers with the response in a file:
// the cost of HTTP without any work.
func echoRole(arguments []string, in io.Reader, out io.Writer) error {
	return answerWith(arguments[0], func() error { return nil }, in, out)
}

// relayRole is echo with a raw round trip to the platform before each response: the least
// work of a gateway that is a separate process.
func relayRole(arguments []string, in io.Reader, out io.Writer) error {
	question, err := os.ReadFile(arguments[2]) //nolint:gosec // the platform made it
	if err != nil {
		return err
	}
	conns, err := rawConns(arguments[1])
	if err != nil {
		return err
	}
	idle := make(chan *rawConn, len(conns))
	for _, conn := range conns {
		idle <- conn
	}
	return answerWith(arguments[0], func() error {
		conn := <-idle
		defer func() { idle <- conn }()
		return conn.roundTrip(question)
	}, in, out)
}

// answerWith serves the response in a file, after a call of a function each time.
func answerWith(name string, before func() error, in io.Reader, out io.Writer) error {
	file, err := os.Open(name) //nolint:gosec // the parent made it
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	captured, err := http.ReadResponse(bufio.NewReader(file), nil)
	if err != nil {
		return err
	}
	defer func() { _ = captured.Body.Close() }()
	body, err := io.ReadAll(captured.Body)
	if err != nil {
		return err
	}
	for _, own := range []string{"Date", echo.HeaderContentLength, echo.HeaderConnection} {
		captured.Header.Del(own) // net/http adds its own
	}
	router := echo.New()
	router.GET(numbersPath(":tenant_id", ":group_id"), func(c echo.Context) error {
		if err := before(); err != nil {
			return err
		}
		for name, values := range captured.Header {
			for _, value := range values {
				c.Response().Header().Add(name, value)
			}
		}
		return c.Blob(captured.StatusCode, captured.Header.Get(echo.HeaderContentType), body)
	})
	address, err := listen(likeOurs(router).Serve)
	if err != nil {
		return err
	}
	return beRole(in, out, address, noAnswer)
}

// likeOurs returns a server with the settings of the gateway's server.
func likeOurs(handler http.Handler) *http.Server {
	c := config.Default().HTTP
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: c.ReadHeaderTimeout,
		ReadTimeout:       c.ReadTimeout,
		WriteTimeout:      c.WriteTimeout,
		IdleTimeout:       c.IdleTimeout,
		MaxHeaderBytes:    32 << 10,
	}
}
