package bolt

import (
	"os"
	"testing"
)

// FillDisk makes writing the next line of the trail fail as on a disk that is full. It
// skips the test if the system cannot do that.
func (s *Store) FillDisk(t *testing.T) {
	t.Helper()
	file, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	s.trail.close()
	s.trail.file, s.trail.info, s.trail.size = file, info, info.Size()
}
