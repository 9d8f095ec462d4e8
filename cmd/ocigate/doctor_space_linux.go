package main

import "syscall"

// diskSpace is the free space of the file system that has a folder.
type diskSpace struct {
	free  uint64 // bytes that the gateway may use
	total uint64
	// lost says why the content of the file system does not outlive the container or the
	// machine, empty if it does as far as is known.
	lost string
}

// The types of file systems by which [spaceOf] recognizes them.
const (
	tmpfsMagic   = 0x01021994
	overlayMagic = 0x794c7630
)

// spaceOf returns the free space for a folder, which must exist.
func spaceOf(folder string) (diskSpace, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return diskSpace{}, err
	}
	size := uint64(s.Bsize) //nolint:gosec // it is not negative
	space := diskSpace{free: s.Bavail * size, total: s.Blocks * size}
	switch s.Type {
	case tmpfsMagic:
		space.lost = "it is in memory (tmpfs), so a restart of the machine or the container loses the journal"
	case overlayMagic:
		space.lost = "it is in the writable layer of a container (overlay), so a new container begins without the journal"
	}
	return space, nil
}
