package ocisim

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// charsets are the encodings of real platforms. UTF-8 is nil.
var charsets = map[string]*charmap.Charmap{
	"UTF-8":       nil,
	"ISO-8859-1":  charmap.ISO8859_1,
	"ISO-8859-2":  charmap.ISO8859_2,
	"ISO-8859-15": charmap.ISO8859_15,
}

// charsetReader returns a reader for a declared encoding other than UTF-8, for both
// XML parsers. The reader is also an io.ByteReader and reads no byte before it is
// needed, so that encoding/xml does not buffer beyond the end of a document.
func charsetReader(label string, input io.Reader) (io.Reader, error) {
	set, ok := charsets[strings.ToUpper(label)]
	if !ok {
		return nil, fmt.Errorf("unknown encoding %q", label)
	}
	if set == nil {
		return input, nil
	}
	source, ok := input.(io.ByteReader)
	if !ok {
		return nil, errors.New("encoding/xml does not read by bytes any more")
	}
	return byBytes{&decodingReader{source: source, set: set}}, nil
}

// decodingReader converts a single-byte encoding to UTF-8.
type decodingReader struct {
	source  io.ByteReader
	set     *charmap.Charmap
	pending []byte
}

// ReadByte returns the next byte of the UTF-8 text.
func (d *decodingReader) ReadByte() (byte, error) {
	if len(d.pending) == 0 {
		b, err := d.source.ReadByte()
		if err != nil {
			return 0, err
		}
		d.pending = utf8.AppendRune(d.pending, d.set.DecodeByte(b))
	}
	b := d.pending[0]
	d.pending = d.pending[1:]
	return b, nil
}

// byBytes is an io.Reader that reads from an io.ByteReader. encoding/xml requires
// the one and uses the other.
type byBytes struct{ io.ByteReader }

// Read reads byte by byte until p is full or an error occurs.
func (b byBytes) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if p[n], err = b.ReadByte(); err == nil {
			n++
		}
	}
	return n, err
}
