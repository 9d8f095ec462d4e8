package ocisim

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// charsets are the encodings seen on real platforms beside UTF-8, which is
// the nil one.
var charsets = map[string]*charmap.Charmap{
	"UTF-8":       nil,
	"ISO-8859-1":  charmap.ISO8859_1,
	"ISO-8859-2":  charmap.ISO8859_2,
	"ISO-8859-15": charmap.ISO8859_15,
}

// charsetReader is what both XML parsers call for a declared encoding other
// than UTF-8. What it returns is also an io.ByteReader and takes no byte ahead
// of need, so that encoding/xml does not buffer beyond the end of a document.
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

// decodingReader turns a single-byte encoding into UTF-8.
type decodingReader struct {
	source  io.ByteReader
	set     *charmap.Charmap
	pending []byte
}

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

// byBytes makes an io.Reader of an io.ByteReader, since encoding/xml asks for
// the one and uses the other.
type byBytes struct{ io.ByteReader }

func (b byBytes) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if p[n], err = b.ReadByte(); err == nil {
			n++
		}
	}
	return n, err
}
