package translate

import (
	"bytes"

	"ocigate/translate/errcode"
)

// byteOrderMarks are what some editors and libraries put at the start of a text.
// UTF-32 in little-endian order comes before UTF-16, since its mark begins with
// that of UTF-16.
var byteOrderMarks = []struct {
	encoding string
	mark     []byte
}{
	{"UTF-8", []byte{0xEF, 0xBB, 0xBF}},
	{"UTF-32", []byte{0xFF, 0xFE, 0, 0}},
	{"UTF-32", []byte{0, 0, 0xFE, 0xFF}},
	{"UTF-16", []byte{0xFF, 0xFE}},
	{"UTF-16", []byte{0xFE, 0xFF}},
}

// checkEncoding rejects a body whose first bytes show that it is not plain UTF-8,
// and names its encoding. RFC 8259, section 8.1, demands UTF-8 without a byte
// order mark.
func checkEncoding(body []byte) error {
	reason := encodingProblem(body)
	if reason == "" {
		return nil
	}
	return errcode.Invalid(errcode.JSONSchemaValidation, errcode.Problem{Reason: reason})
}

func encodingProblem(body []byte) string {
	for _, m := range byteOrderMarks {
		if bytes.HasPrefix(body, m.mark) {
			return "must be UTF-8 without a byte order mark, and begins with that of " + m.encoding
		}
	}
	if len(body) > 1 && (body[0] == 0) != (body[1] == 0) {
		return "must be UTF-8, and has zero bytes as UTF-16 does"
	}
	return ""
}
