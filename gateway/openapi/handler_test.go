package openapi_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"go.yaml.in/yaml/v3"

	"ocigate/gateway"
	"ocigate/gateway/openapi"
)

// These tests specify how the description is served.

// get returns the response of the handler to a request with these headers.
func get(t *testing.T, method, path string, header map[string]string) *http.Response {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	openapi.Handler().ServeHTTP(recorder, request)
	return recorder.Result()
}

func bodyOf(t *testing.T, r io.Reader) []byte {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestHandlerServesBothForms(t *testing.T) {
	for path, want := range map[string]struct {
		media   string
		content []byte
		parse   func([]byte, any) error
	}{
		gateway.DescriptionJSONPath: {"application/json", openapi.JSON(), json.Unmarshal},
		gateway.DescriptionYAMLPath: {"application/yaml", openapi.YAML(), yaml.Unmarshal},
	} {
		t.Run(path, func(t *testing.T) {
			plain := get(t, http.MethodGet, path, nil)
			text := bodyOf(t, plain.Body)
			var parsed map[string]any
			if err := want.parse(text, &parsed); err != nil || parsed["openapi"] != "3.1.0" {
				t.Errorf("the content is no description: %v", err)
			}
			if string(text) != string(want.content) || plain.Header.Get("Content-Type") != want.media || plain.Header.Get("Content-Length") != strconv.Itoa(len(text)) {
				t.Errorf("%d bytes with %v, want %d", len(text), plain.Header, len(want.content))
			}
			packed := get(t, http.MethodGet, path, map[string]string{"Accept-Encoding": "br, gzip"})
			reader, err := gzip.NewReader(packed.Body)
			if err != nil {
				t.Fatal(err)
			}
			if packed.Header.Get("Content-Encoding") != "gzip" || string(bodyOf(t, reader)) != string(text) {
				t.Errorf("compressed, the content differs: %v", packed.Header)
			}
			if refused := get(t, http.MethodGet, path, map[string]string{"Accept-Encoding": "gzip;q=0"}); refused.Header.Get("Content-Encoding") != "" {
				t.Error("it is compressed for a caller that refuses gzip")
			}
			tags := []string{plain.Header.Get("ETag"), packed.Header.Get("ETag")}
			if tags[0] == tags[1] || tags[0] == "" {
				t.Errorf("the entity tags are %q", tags)
			}
			for _, tag := range tags {
				known := get(t, http.MethodGet, path, map[string]string{"If-None-Match": tag})
				if body := bodyOf(t, known.Body); known.StatusCode != http.StatusNotModified || len(body) > 0 {
					t.Errorf("with If-None-Match: %s: %d and %d bytes", tag, known.StatusCode, len(body))
				}
			}
			head := get(t, http.MethodHead, path, nil)
			if body := bodyOf(t, head.Body); len(body) > 0 || head.Header.Get("Content-Length") != strconv.Itoa(len(text)) || head.Header.Get("ETag") != tags[0] {
				t.Errorf("HEAD: %d bytes with %v", len(body), head.Header)
			}
		})
	}
}

func TestHandlerServesNothingElse(t *testing.T) {
	if got := get(t, http.MethodGet, "/openapi.txt", nil); got.StatusCode != http.StatusNotFound {
		t.Errorf("status %d, want 404", got.StatusCode)
	}
}
