package openapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"sync"

	"ocigate/gateway"
)

// form is one form of the description.
type form struct {
	media      string
	compressed []byte
	// tag returns the entity tag of the content without its last quote, and size its
	// length in bytes. Both are computed once, when they are first needed.
	tag  func() string
	size func() int64
}

func newForm(media string, compressed []byte) *form {
	return &form{
		media: media, compressed: compressed,
		tag: sync.OnceValue(func() string {
			sum := sha256.Sum256(compressed)
			const enough = 16 // bytes
			return `"` + base64.RawURLEncoding.EncodeToString(sum[:enough])
		}),
		size: sync.OnceValue(func() int64 {
			n, err := io.Copy(io.Discard, decompressing(compressed))
			if err != nil {
				panic(err) // a test reads the files
			}
			return n
		}),
	}
}

// Handler returns a handler that serves the description under the paths
// [gateway.DescriptionJSONPath] and [gateway.DescriptionYAMLPath], and 404 under any
// other. It expects GET and HEAD only. Responses have an ETag, and are compressed with
// gzip if the request accepts it.
func Handler() http.Handler {
	forms := map[string]*form{
		gateway.DescriptionJSONPath: newForm("application/json", compressedJSON),
		gateway.DescriptionYAMLPath: newForm("application/yaml", compressedYAML), // RFC 9512
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f, known := forms[r.URL.Path]; known {
			f.ServeHTTP(w, r)
		} else {
			http.NotFound(w, r)
		}
	})
}

// ServeHTTP implements http.Handler.
func (f *form) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	// Kept, but used only after the server has confirmed it: it changes with the program.
	header.Set("Cache-Control", "no-cache")
	header.Add("Vary", "Accept-Encoding") // beside Origin, which CORS adds
	plainTag, gzipTag := f.tag()+`"`, f.tag()+`-gzip"`
	compress := gateway.AcceptsGzip(r)
	tag := plainTag
	if compress {
		tag = gzipTag
	}
	header.Set("Etag", tag)
	if gateway.IsKnown(r, plainTag) || gateway.IsKnown(r, gzipTag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", f.media)
	if compress {
		header.Set("Content-Encoding", "gzip")
		header.Set("Content-Length", strconv.Itoa(len(f.compressed)))
	} else {
		header.Set("Content-Length", strconv.FormatInt(f.size(), 10))
	}
	if r.Method == http.MethodHead {
		return
	}
	var body io.Reader = bytes.NewReader(f.compressed)
	if !compress {
		body = decompressing(f.compressed)
	}
	_, _ = io.Copy(w, body) // only the connection can fail
}

// decompressing returns a reader of the content of an embedded file.
func decompressing(compressed []byte) io.Reader {
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		panic(err) // a test reads the files
	}
	return reader
}
