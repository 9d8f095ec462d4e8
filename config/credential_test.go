package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ocigate/config"
)

// These tests specify secrets that systemd passes to a service as credentials.

func TestCredentialsAreFilesInTheFolderOfTheService(t *testing.T) {
	folder := t.TempDir()
	writeSecret(t, folder, "ocigate.platform", "word\n")
	environ := "CREDENTIALS_DIRECTORY=" + folder
	c := parse(t, withPassword("{credential: ocigate.platform}"), environ)
	if got := c.Platform.Password; got.Reveal() != "word" || got.File() != filepath.Join(folder, "ocigate.platform") {
		t.Errorf("got %q from %q", got.Reveal(), got.File())
	}
	t.Run("and are read again", func(t *testing.T) {
		writeSecret(t, folder, "ocigate.platform", "another\n")
		next, list, err := c.Reread()
		if err != nil || next.Platform.Password.Reveal() != "another" || len(list) != 1 || !list[0].Changed {
			t.Errorf("got %q, %+v, %v", next.Platform.Password.Reveal(), list, err)
		}
	})
	t.Run("in lists, too", func(t *testing.T) {
		writeSecret(t, folder, "hash", hash)
		c := parse(t, minimal+"auth: {clients: [{id: portal, level: system, hash: {credential: hash}}]}\n", environ)
		if got := c.Auth.Clients[0].Hash.Reveal(); got != hash {
			t.Errorf("got %q", got)
		}
	})
	t.Run("and the variable of the key wins", func(t *testing.T) {
		c := parse(t, withPassword("{credential: missing}"), environ, "OCIGATE_PLATFORM_PASSWORD=from the environment")
		if got := c.Platform.Password.Reveal(); got != "from the environment" {
			t.Errorf("got %q", got)
		}
	})
}

func TestCredentialsThatAreRefused(t *testing.T) {
	folder := t.TempDir()
	writeSecret(t, folder, "blank", "word \n")
	if err := os.Mkdir(filepath.Join(folder, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"missing":      "the credential missing: cannot be read: open " + folder + "/missing: no such file or directory",
		"blank":        "the credential blank: the file " + folder + "/blank ends with a blank",
		"folder":       "the credential folder: cannot be read: read " + folder + "/folder: is a directory",
		".":            "must name a credential, which is the name of a file without its folder, not .",
		"..":           "must name a credential, which is the name of a file without its folder, not ..",
		"/":            "must name a credential, which is the name of a file without its folder, not /",
		"../blank":     "must name a credential, which is the name of a file without its folder, not ../blank",
		"/etc/passwd":  "must name a credential, which is the name of a file without its folder, not /etc/passwd",
		`"a\u0000\nb"`: `the credential "a\x00\nb": cannot be read: open`,
	} {
		t.Run(name, func(t *testing.T) {
			got := problems(t, withPassword("{credential: "+name+"}"), "CREDENTIALS_DIRECTORY="+folder)
			if len(got) != 1 || !strings.HasPrefix(got[0], "ocigate.yaml: line 7: platform.password: "+want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestCredentialsOfOtherSectionsAreNotNeeded checks that "ocigate reload" needs no
// credentials: systemd does not pass them to ExecReload in every version.
func TestCredentialsOfOtherSectionsAreNotNeeded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	writeFile(t, file, withPassword("{credential: platform}")+"admin: {listen: '127.0.0.1:9191'}\n")
	if admin, err := config.LoadAdmin(file, nil); err != nil || admin.Listen != "127.0.0.1:9191" {
		t.Errorf("got %+v, %v", admin, err)
	}
}
