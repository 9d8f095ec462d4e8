package openapi

import (
	"bytes"
	"compress/gzip"
	"testing"
)

// compressed returns a file in the form in which it is embedded.
func compressed(t *testing.T, file []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	writer, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(file); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
