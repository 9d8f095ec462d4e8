//go:build !unix || solaris || aix

package bolt

import "os"

// unlock does nothing: the lock of bbolt goes with the file.
func unlock(*os.File) {}
