package translate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"strconv"
	"sync"

	"ocigate/oci"
	"ocigate/translate/scope"
)

// tagBytes is how much of a SHA-256 an entity tag holds.
const tagBytes = 16

// ETag implements [Body]. It is made of the content and of the shape, so that a
// version of the program that writes the same content in another form has another
// tag. Columns of a table count also where they are not shown; the names of
// departments follow from their full paths. It takes one more pass over the content,
// but none over its encoding.
func (a *Answer) ETag() string {
	sum := tagSum{Hash: sha256.New()}
	sum.add(a.shape.digest())
	sum.add(a.target.TenantID, a.target.GroupID, a.target.UserID)
	for i := range a.values {
		a.values[i].addTo(&sum)
	}
	return quoted(sum.Sum(nil))
}

func (v *answerValue) addTo(sum *tagSum) {
	switch {
	case v.isTable():
		sum.add("rows")
		sum.flush()
		_, _ = v.rows.table.WriteTo(sum.Hash) // a hash takes everything
	case v.absent:
		sum.add("absent")
	case v.null:
		sum.add("null")
	case v.parts != nil:
		sum.add("parts", strconv.Itoa(len(v.parts)))
		for i := range v.parts {
			v.parts[i].addTo(sum)
		}
	default:
		sum.add("text", v.text)
	}
}

// TagOf is the entity tag of a body that is written already.
func TagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return quoted(sum[:])
}

func quoted(sum []byte) string {
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:tagBytes]) + `"`
}

// ListTag is the ETag that [Engine.ListAnswer] would have of the same arguments.
func (e *Engine) ListTag(target scope.Target, shape *Shape, table *oci.Table) (string, error) {
	a, err := newList(target, shape, table)
	if err != nil {
		return "", err
	}
	return a.ETag(), nil
}

// tagSum is a hash of texts, each with its length before it, so that no two
// sequences of texts are the same.
type tagSum struct {
	hash.Hash
	piece []byte
}

func (s *tagSum) add(texts ...string) {
	for _, text := range texts {
		s.piece = binary.AppendUvarint(s.piece, uint64(len(text)))
		s.piece = append(s.piece, text...)
		if len(s.piece) > pieceOfSum {
			s.flush()
		}
	}
}

// pieceOfSum is how many bytes are hashed at a time.
const pieceOfSum = 4 << 10

func (s *tagSum) flush() {
	_, _ = s.Write(s.piece) // a hash takes everything
	s.piece = s.piece[:0]
}

// Sum is the hash of all texts.
func (s *tagSum) Sum(b []byte) []byte {
	s.flush()
	return s.Hash.Sum(b)
}

// shapeDigests holds the digests of shapes that were used, by *Shape. Shapes are
// declared once and do not change.
var shapeDigests sync.Map

// digest is a hash of all that decides about the form of an answer.
func (s *Shape) digest() string {
	if known, ok := shapeDigests.Load(s); ok {
		if digest, ok := known.(string); ok {
			return digest
		}
	}
	sum := tagSum{Hash: sha256.New()}
	s.addTo(&sum)
	digest := string(sum.Sum(nil))
	shapeDigests.Store(s, digest)
	return digest
}

func (s *Shape) addTo(sum *tagSum) {
	for i := range s.Fields {
		s.Fields[i].addTo(sum)
	}
}

// addTo adds what a field does not have as nothing at all, so that a new property of
// fields does not change the tags of answers without it.
func (f *Field) addTo(sum *tagSum) {
	sum.add(f.Key, strconv.Itoa(int(f.Kind)), strconv.FormatBool(f.Optional), f.Source)
	if f.Nullable {
		sum.add("nullable")
	}
	if f.Repeated {
		sum.add("repeated")
	}
	if f.Each != nil {
		sum.add("[")
		f.Each.addTo(sum)
		sum.add("]")
	}
	if f.Item != nil {
		sum.add("{")
		f.Item.addTo(sum)
		sum.add("}")
	}
}
