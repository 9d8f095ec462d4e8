//go:build unix

package bolt

import (
	"io/fs"
	"syscall"
)

// ownerOf returns the owner of a file, if it is known.
func ownerOf(info fs.FileInfo) (owner, bool) {
	of, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return owner{}, false
	}
	return owner{uid: int(of.Uid), gid: int(of.Gid), links: uint64(of.Nlink)}, true //nolint:unconvert // the type differs between systems
}
