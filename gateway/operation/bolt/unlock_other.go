//go:build !unix || solaris || aix

package bolt

import "os"

// unlock does nothing: closing the file releases the lock of bbolt.
func unlock(*os.File) {}
