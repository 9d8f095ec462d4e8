//go:build unix && !solaris && !aix

package bolt

import (
	"os"
	"syscall"
)

// unlock releases the lock that bbolt has on a file. If the file is mapped, closing it is
// not enough: the mapping keeps the lock.
func unlock(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
}
