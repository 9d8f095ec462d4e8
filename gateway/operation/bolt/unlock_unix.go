//go:build unix && !solaris && !aix

package bolt

import (
	"os"
	"syscall"
)

// unlock gives up the lock that bbolt has put on a file. Where the file is
// mapped, closing it is not enough: the mapping keeps the lock alive.
func unlock(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
}
