package config_test

import (
	"ocigate/config"
	"ocigate/config/manual"
)

// manualPage returns ocigate.yaml(5), with every key of the configuration.
func manualPage() []byte {
	p := manual.New("ocigate.yaml", 5, "configuration of ocigate")
	p.Heading("Description")
	p.Text("The configuration is one YAML file. It is read strictly: a key that is not known, or a value of another type, is an error. " +
		"\"ocigate config init\" prints an example with every key, and \"ocigate config check\" reports all problems of a file.")
	p.Text("Keys that are left out have their defaults. Durations need a unit: 500ms, 30s, 2m, 1h. Texts that YAML reads as " +
		"another type, such as phone numbers, need quotes. A dot in the names below separates the key of a section from a key in " +
		"it, and [] is an entry of a list.")
	p.Heading("Environment")
	p.Item(manual.Bold("OCIGATE_")+manual.Italic("KEY"), "Wins over the file. The name is that of the key in capitals, with \"_\" for every \".\": "+
		"OCIGATE_PLATFORM_POOL_MAX for platform.pool.max. Lists and the keys of their entries have no variables.")
	p.Heading("Keys")
	for _, s := range config.Reference() {
		about := s.Doc + "\n\nIs " + s.Type + "."
		if s.Limits != "" {
			about += " Must be " + s.Limits + "."
		}
		if s.Default == "required" {
			about += " Required."
		} else {
			about += " Default: " + s.Default + "."
		}
		p.Item(manual.Bold(s.Path), about)
	}
	p.Heading("Files")
	p.Item(manual.Bold("/etc/ocigate/ocigate.yaml"), "The file of an installed package.")
	p.Heading("See also")
	p.Text("ocigate(1), ocigate-config(1), ocigate-doctor(1)")
	return p.Bytes()
}
