package docs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/swaggest/swgui/v5/static"

	"ocigate/gateway"
)

// A content is what a response sends, compressed with gzip. Clients that do not
// accept that get it decompressed while it is sent.
type content struct {
	mediaType string
	tag       string // the ETag of the compressed form, without quotes
	size      int64  // of the compressed form, in bytes
	open      func() (io.ReadCloser, error)
}

// serve responds with the content. A failure after the header can only be one of the
// connection.
func (c *content) serve(w http.ResponseWriter, r *http.Request, status int) {
	header := w.Header()
	header.Set("Content-Type", c.mediaType)
	header.Add("Vary", "Accept-Encoding") // beside Origin, which CORS adds
	zipped := gateway.AcceptsGzip(r)
	tag := `"` + c.tag + `"`
	if !zipped {
		tag = `"` + c.tag + `-plain"`
	}
	header.Set("ETag", tag)
	if status == http.StatusOK && gateway.IsKnown(r, tag) {
		header.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	source, err := c.open()
	if err != nil {
		http.Error(w, "The page could not be read.", http.StatusInternalServerError)
		return
	}
	defer func() { _ = source.Close() }() // only read
	var from io.Reader = source
	if zipped {
		header.Set("Content-Encoding", "gzip")
		header.Set("Content-Length", strconv.FormatInt(c.size, 10))
	} else if from, err = gzip.NewReader(source); err != nil {
		http.Error(w, "The page could not be read.", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = io.Copy(w, from) //nolint:gosec // the content is embedded or rendered here, so its size is known
}

// compressed returns the content that is data, which it compresses.
func compressed(mediaType string, data []byte) *content {
	var b bytes.Buffer
	to := gzip.NewWriter(&b)
	if _, err := to.Write(data); err != nil {
		panic(err) // a buffer accepts all writes
	}
	if err := to.Close(); err != nil {
		panic(err)
	}
	zipped := b.Bytes()
	sum := sha256.Sum256(data)
	return &content{
		mediaType: mediaType, tag: tagOf(sum[:]), size: int64(len(zipped)),
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(zipped)), nil },
	}
}

// tagOf returns the ETag for a SHA-256 sum. A part of it is enough to distinguish
// versions.
func tagOf(sum []byte) string { return hex.EncodeToString(sum[:12]) }

// An asset is an embedded file, whose content is made when it is first asked for.
type asset struct {
	content func() (*content, error)
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	found, err := a.content()
	if err != nil {
		http.Error(w, "The file could not be read.", http.StatusInternalServerError)
		return
	}
	found.serve(w, r, http.StatusOK)
}

//go:embed assets
var ownAssets embed.FS

// mediaTypes are the media types of assets, by the ends of their names.
var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// assets returns all assets by their paths.
func assets() map[string]*asset {
	found := map[string]*asset{}
	for _, name := range []string{"style.css", "viewer.css", "page.js", "viewer.js", "icon.svg"} {
		found[Base+"assets/"+name] = &asset{sync.OnceValues(func() (*content, error) {
			data, err := fs.ReadFile(ownAssets, "assets/"+name)
			if err != nil {
				return nil, err
			}
			return compressed(mediaTypeOf(name), data), nil
		})}
	}
	for _, name := range []string{"swagger-ui-bundle.js", "swagger-ui.css"} {
		found[Base+"assets/"+name] = &asset{sync.OnceValues(func() (*content, error) {
			return embedded(static.FS, name+".gz", mediaTypeOf(name))
		})}
	}
	return found
}

func mediaTypeOf(name string) string { return mediaTypes[name[strings.LastIndexByte(name, '.'):]] }

// embedded returns the content of a compressed file. It is read from the binary each
// time, so that it takes no memory.
func embedded(from fs.FS, name, mediaType string) (*content, error) {
	file, err := from.Open(name)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	if err != nil {
		return nil, err
	}
	return &content{
		mediaType: mediaType, tag: tagOf(sum.Sum(nil)), size: size,
		open: func() (io.ReadCloser, error) { return from.Open(name) },
	}, nil
}
