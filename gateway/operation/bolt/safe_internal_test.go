package bolt

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOwners checks the rules for owners and groups, which need no files of other users. To
// add a case, add a row with a part of the error, empty for none.
func TestOwners(t *testing.T) {
	t.Parallel()
	user, root := principal{uid: 1000, groups: []int{1000, 2000}}, principal{uid: 0, groups: []int{0}}
	inspects := principal{uid: 0, groups: []int{0}, inspects: true}
	for _, c := range []struct {
		name string
		who  principal
		of   owner
		mode fs.FileMode
		want string
	}{
		{"their own", user, owner{uid: 1000, gid: 1000}, 0o700, ""},
		{"their own, readable for all", user, owner{uid: 1000, gid: 1000}, 0o755, ""},
		{"root's, and writable for their group", user, owner{uid: 0, gid: 2000}, 0o770, ""},
		{"root's, and writable for another group", user, owner{uid: 0, gid: 3000}, 0o770, "is writable for the group with id 3000"},
		{"their own, and writable for another group", user, owner{uid: 1000, gid: 3000}, 0o770, "is writable for the group with id 3000"},
		{"another user's", user, owner{uid: 1001, gid: 1000}, 0o700, "belongs to the user with id 1001 (mode -rwx------), not to that of this process, with id 1000"},
		{"another user's of their group", user, owner{uid: 1001, gid: 1000}, 0o770, "belongs to the user with id 1001"},
		{"a user's for root", root, owner{uid: 1000, gid: 1000}, 0o700, "belongs to the user with id 1000"},
		{"a user's for root that reads", inspects, owner{uid: 1000, gid: 3000}, 0o770, ""},
		{"open to all for root that reads", inspects, owner{uid: 1000, gid: 1000}, 0o702, "is writable for every user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, nil, fileMode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			err = c.who.checkOwner(path, info, c.of)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
