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

// tagBytes is the number of bytes of a SHA-256 sum that an entity tag has.
const tagBytes = 16

// ETag implements [Body]. The tag depends on the content and on the shape, so
// that a version of the program that writes the same content in another form has
// another tag. It also depends on the columns of a table that are not shown. The
// names of departments follow from their full paths. Computing it takes one more
// pass over the content, but none over its encoding.
func (a *Answer) ETag() string {
	sum := tagSum{Hash: sha256.New()}
	a.addTargetTo(&sum)
	for i := range a.values {
		a.values[i].addTo(&sum)
	}
	return quoted(sum.Sum(nil))
}

// addTargetTo adds what the tags of all answers of one shape about one target have
// in common.
func (a *Answer) addTargetTo(sum *tagSum) {
	sum.add(a.shape.digest())
	sum.add(a.target.TenantID, a.target.GroupID, a.target.UserID)
}

func (v *answerValue) addTo(sum *tagSum) {
	switch {
	case v.isTable():
		sum.add("rows")
		sum.flush()
		_, _ = v.rows.table.WriteTo(sum.Hash) // a hash returns no error
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

// TagOf returns the entity tag of a body that is already written.
func TagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return quoted(sum[:])
}

func quoted(sum []byte) string {
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:tagBytes]) + `"`
}

// ListTag returns the ETag of the answer that [Engine.ListAnswer] returns for the
// same arguments.
func (e *Engine) ListTag(target scope.Target, shape *Shape, table *oci.Table) (string, error) {
	a, err := newList(target, shape, table)
	if err != nil {
		return "", err
	}
	return a.ETag(), nil
}

// A tagSum hashes texts, each with its length before it, so that different
// sequences of texts have different input.
type tagSum struct {
	hash.Hash
	piece []byte
}

func (s *tagSum) add(texts ...string) {
	for _, text := range texts {
		s.piece = binary.AppendUvarint(s.piece, uint64(len(text)))
		s.piece = append(s.piece, text...)
		if len(s.piece) > hashBlock {
			s.flush()
		}
	}
}

// hashBlock is the number of buffered bytes above which they are hashed.
const hashBlock = 4 << 10

func (s *tagSum) flush() {
	_, _ = s.Write(s.piece) // a hash returns no error
	s.piece = s.piece[:0]
}

// Sum returns the hash of all texts.
func (s *tagSum) Sum(b []byte) []byte {
	s.flush()
	return s.Hash.Sum(b)
}

// shapeDigests caches the digests of shapes, by *Shape. Shapes are declared once
// and do not change.
var shapeDigests sync.Map

// digest returns a hash of everything that decides the form of an answer.
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

// addTo adds nothing for a property that the field does not have, so that a new
// property of fields does not change the tags of answers without it.
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
