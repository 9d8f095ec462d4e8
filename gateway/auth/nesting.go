package auth

import (
	"encoding/base64"
	"strings"
)

// maxNesting is how deep the objects and lists of a token may be nested. Those of issuers
// in use are nested less than 8 deep.
const maxNesting = 32

// isDeep reports whether the header or the claims of a token in compact form are nested
// too deep. A decoder takes stack for each level, and the goroutine of the connection
// keeps it. Every client can send a token, so this must be checked before a part is
// decoded.
func isDeep(text string) bool {
	for part := range strings.SplitSeq(text[:strings.LastIndexByte(text, '.')], ".") {
		decoded, err := base64.RawURLEncoding.DecodeString(part)
		if err == nil && nesting(decoded) > maxNesting {
			return true
		}
	}
	return false
}

// nesting returns how deep the objects and lists of a JSON text are nested. The result
// for another text has no meaning.
func nesting(text []byte) int {
	deepest, depth, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++ // the escaped character
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}', c == ']':
			depth--
		}
	}
	return deepest
}
