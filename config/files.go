package config

import "reflect"

// FileSecrets returns the secrets that were read from files, in the order of the
// configuration's keys. Changed is false.
func (c *Config) FileSecrets() []FileSecret {
	var found []FileSecret
	collectFileSecrets("", reflect.ValueOf(c).Elem(), &found)
	return found
}

// collectFileSecrets appends the secrets of a section that were read from files.
func collectFileSecrets(path string, section reflect.Value, found *[]FileSecret) {
	for _, f := range fields(section.Type()) {
		at, value := join(path, f.key), section.Field(f.index)
		switch {
		case f.typ == secretType:
			if secret, _ := reflect.TypeAssert[Secret](value); secret.File() != "" {
				*found = append(*found, FileSecret{Path: at, File: secret.File()})
			}
		case isSection(f.typ):
			collectFileSecrets(at, value, found)
		case f.typ.Kind() == reflect.Slice && isSection(f.typ.Elem()):
			for i := range value.Len() {
				collectFileSecrets(entry(at, i), value.Index(i), found)
			}
		}
	}
}
