//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
)

// prepareClients has the examples of clients in the folder of the page.
func (s *pageShell) prepareClients() {
	for _, program := range []string{"jq", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			skipClient(s.T, err)
		}
	}
	folder, err := filepath.Abs(clientFolder)
	if err == nil {
		err = os.Mkdir(filepath.Join(s.folder, "testdata"), 0o700)
	}
	if err == nil {
		err = os.Symlink(folder, filepath.Join(s.folder, "testdata", "clients"))
	}
	if err != nil {
		s.Fatal(err)
	}
}
