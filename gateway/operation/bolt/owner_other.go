//go:build !unix

package bolt

import "io/fs"

// ownerOf reports that the owner is not known: this system has no owners and modes as Unix
// has them.
func ownerOf(fs.FileInfo) (owner, bool) { return owner{}, false }
