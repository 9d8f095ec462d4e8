package oci

import "strings"

// Limits of one document, in addition to that of its bytes. The memory that is kept of
// it is never much larger than the data that was received: for tables because of
// maxSurplus, for the rest because of the limits of number and length. The limits are
// far above the replies of the schema.
const (
	// maxElements is how many elements its commands may have, at any depth, without
	// those of tables.
	maxElements = 16 << 10
	// maxTables is how many tables it may have.
	maxTables = 256
	// maxColumns is how many columns a table may have.
	maxColumns = 256
	// maxText is the maximum length of a text outside of tables, in bytes of UTF-8,
	// and maxTexts that of all of them together.
	maxText  = 256 << 10
	maxTexts = 4 << 20
	// maxRefusalText is how many bytes are kept of a text of a refusal, which may
	// repeat the complete command that it refuses. The rest is skipped.
	maxRefusalText = 128 << 10
	// maxID is the maximum length of a session or tracking id, with blanks around.
	maxID = 1 << 10
	// maxCell is the maximum length of a cell or heading, and maxRow that of all
	// cells of a row together.
	maxCell = 16 << 10
	maxRow  = 256 << 10
	// maxSurplus is by how many bytes the tables may be larger in memory than the
	// part of the document that was read. They are larger only if characters need
	// more bytes in UTF-8 than in the document.
	maxSurplus = 1 << 20
	// maxName is the maximum length of the name of an element or attribute.
	maxName = 256

	// maxSessionReply limits, in bytes, a reply to commands about the session and an
	// unsolicited document: the peer that sends it has not proved its identity.
	maxSessionReply = 64 << 10
)

// replyLimit returns how many bytes the reply may have.
func (o outgoing) replyLimit(most int) int {
	for _, c := range o.commands {
		if !concernsSession(c.Name()) {
			return most
		}
	}
	return min(most, maxSessionReply)
}

// validityCommand returns success if the session is logged in.
const validityCommand = "VerifySessionIsValidRequest"

// concernsSession reports whether a command logs in or out, verifies credentials,
// or asks for the session's validity or the platform's version.
func concernsSession(command string) bool {
	return checksCredentials(command) || command == validityCommand || formOf[command] == versionFeature ||
		strings.HasPrefix(command, "Logout")
}

// usage counts what is kept of a document so far.
type usage struct {
	elements, tables int
	texts            int // bytes outside of tables
	cells            int // bytes of the tables, in memory
}

// element counts an element, before it is kept.
func (u *usage) element() error {
	if u.elements++; u.elements > maxElements {
		return &ReplyLimitError{RefusedElements, "elements", maxElements}
	}
	return nil
}

// text counts a text outside of tables.
func (u *usage) text(length int) error {
	if u.texts += length; u.texts > maxTexts {
		return &ReplyLimitError{RefusedText, "bytes of text", maxTexts}
	}
	return nil
}

// table counts a table.
func (u *usage) table() error {
	if u.tables++; u.tables > maxTables {
		return &ReplyLimitError{RefusedElements, "tables", maxTables}
	}
	return nil
}

// block counts a part of a table. read is how many bytes of the document were read.
func (u *usage) block(b block, read int) error {
	const (
		ofBlock = 40 // bytes of a block itself
		ofEnd   = 4  // bytes of each of its ends
	)
	u.cells += ofBlock + len(b.text) + ofEnd*len(b.ends)
	if u.cells > read+maxSurplus {
		return &ReplyLimitError{RefusedTooLarge, "bytes of memory above its size", maxSurplus}
	}
	return nil
}

// excess returns the error of a text that is too long. If the scanner cuts texts, it
// returns the text up to its limit instead.
func (s *scanner) excess(text []byte, most int) ([]byte, error) {
	if s.cut {
		return text[:most], nil
	}
	return text, &ReplyLimitError{RefusedText, "bytes in a text", most - s.textStart}
}
