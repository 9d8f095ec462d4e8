package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ocigate/config"
)

// TestConfigurationOfPackages requires that the configuration in packages is valid as it
// is, apart from the password, and has the folder of the package for the journal.
func TestConfigurationOfPackages(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("assets", "packages", "ocigate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var read []string
	c, err := config.Parse(raw, nil, func(name string) ([]byte, error) {
		read = append(read, name)
		return []byte("word of the platform\n"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(read) != 1 || read[0] != "/etc/ocigate/platform.password" || c.Platform.Password.Reveal() != "word of the platform" {
		t.Errorf("files read: %v", read)
	}
	if c.Journal.Folder != "/var/lib/ocigate/journal" || !c.Platform.Endpoints[0].TLS.Enabled || !strings.HasPrefix(c.HTTP.Listen, "127.0.0.1:") {
		t.Errorf("journal %s, TLS %v, listener %s", c.Journal.Folder, c.Platform.Endpoints[0].TLS.Enabled, c.HTTP.Listen)
	}
}
