// Command client makes calls with the client that oapi-codegen generates from the
// description of the API. It reads calls as lines of JSON from its standard input, makes
// them concurrently, and writes the responses as lines of JSON to its standard output.
// Its argument is the address of the gateway.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"

	"client/api"
)

// A Call is a call of an operation of the description.
type Call struct {
	ID        int               `json:"id"` // of the response
	Operation string            `json:"operation"`
	Path      map[string]string `json:"path"`
	Query     map[string]any    `json:"query"`
	Header    map[string]string `json:"header"`
	// Authorization is that header, which the description has as a security scheme.
	Authorization string `json:"authorization"`
	Body          string `json:"body"` // JSON of the described form, if MediaType is empty
	MediaType     string `json:"media_type"`
}

// An Answer is the response to a call.
type Answer struct {
	ID     int               `json:"id"`
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
	// Typed is the body as the generated types have it.
	Typed json.RawMessage `json:"typed"`
	Error string          `json:"error,omitempty"` // why there is no response, or no typed one
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: client URL")
	}
	// A redirect would repeat a POST as a GET, whose 200 looks like success.
	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	client, err := api.NewClientWithResponses(os.Args[1], api.WithHTTPClient(direct))
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(operations(client)); err != nil {
		log.Fatal(err)
	}
}

// serve makes the calls of the standard input until it ends.
func serve(operations map[string]operation) error {
	var (
		running sync.WaitGroup
		mu      sync.Mutex // guards to
		to      = json.NewEncoder(os.Stdout)
	)
	defer running.Wait()
	for calls := json.NewDecoder(os.Stdin); ; {
		var call Call
		if err := calls.Decode(&call); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		running.Go(func() {
			answer := call.make(operations)
			mu.Lock()
			defer mu.Unlock()
			if err := to.Encode(answer); err != nil {
				log.Fatal(err)
			}
		})
	}
}

func (c *Call) make(operations map[string]operation) Answer {
	answer := Answer{ID: c.ID}
	do, ok := operations[c.Operation]
	if !ok {
		answer.Error = "there is no operation " + c.Operation
		return answer
	}
	response, err := do(context.Background(), c)
	if err == nil {
		err = answer.read(response)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

// authorize adds the credentials of the call to a request.
func (c *Call) authorize(_ context.Context, r *http.Request) error {
	if c.Authorization != "" {
		r.Header.Set("Authorization", c.Authorization)
	}
	return nil
}

// parametersOf returns the query and the header of a call as the generated type has them.
func parametersOf[P any](c *Call) (*P, error) {
	given := map[string]any{}
	for name, value := range c.Query {
		given[name] = value
	}
	for name, value := range c.Header {
		given[name] = value
	}
	text, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	return decode[P](text)
}

// decode requires that a generated type has all members of a text.
func decode[T any](text []byte) (*T, error) {
	var value T
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("%T: %w", value, err)
	}
	return &value, nil
}
