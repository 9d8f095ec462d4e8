package oci

import "strings"

// Bounds of one document, beside that of its bytes. What is kept of it is never
// much larger than what was received: its tables by maxSurplus, and all else by
// the bounds of its number and length. They are far above what a reply of the
// schema holds.
const (
	// maxElements is how many elements its commands have, at any depth, those of
	// tables left out.
	maxElements = 16 << 10
	// maxTables is how many of them are tables.
	maxTables = 256
	// maxColumns is how many columns a table has.
	maxColumns = 256
	// maxText is the length of a text outside of tables, in bytes of UTF-8, and
	// maxTexts that of all of them.
	maxText  = 256 << 10
	maxTexts = 4 << 20
	// maxRefusalText is how much is kept of a text of a refusal, which may
	// repeat the whole command that it refuses. What is beyond is skipped.
	maxRefusalText = 128 << 10
	// maxID is the length of a session or tracking id, with the blanks around.
	maxID = 1 << 10
	// maxCell is the length of a cell or heading, and maxRow that of all cells of
	// a row.
	maxCell = 16 << 10
	maxRow  = 256 << 10
	// maxSurplus is by how many bytes the tables may be larger in memory than
	// the document is so far. Only characters that take more bytes in UTF-8 than
	// in the document make them so.
	maxSurplus = 1 << 20
	// maxName is the length of the name of an element or attribute.
	maxName = 256

	// maxSessionReply is the most bytes of a document that answers commands
	// about the session, or that nobody asked for: it comes from somebody who
	// may be anybody yet.
	maxSessionReply = 64 << 10
)

// replyLimit is how many bytes the answer may have.
func (o outgoing) replyLimit(most int) int {
	for _, c := range o.commands {
		if !concernsSession(c.Name()) {
			return most
		}
	}
	return min(most, maxSessionReply)
}

// validityCommand asks whether the session is logged in.
const validityCommand = "VerifySessionIsValidRequest"

// concernsSession reports whether a command logs in or out, verifies credentials,
// or asks for the session's validity or the platform's version.
func concernsSession(command string) bool {
	return checksCredentials(command) || command == validityCommand || formOf[command] == versionFeature ||
		strings.HasPrefix(command, "Logout")
}

// usage is what is kept of a document so far.
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

// block counts a part of a table, of a document of which so many bytes were
// read.
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

// excess is the error of a text that is too long. Where the scanner cuts texts,
// there is none, and the text ends at its limit.
func (s *scanner) excess(text []byte, most int) ([]byte, error) {
	if s.cut {
		return text[:most], nil
	}
	return text, &ReplyLimitError{RefusedText, "bytes in a text", most - s.textStart}
}
