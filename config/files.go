package config

import "reflect"

// FileSecrets returns the secrets that were read from files, in the order of the
// configuration's keys. Changed is false.
func (c *Config) FileSecrets() []FileSecret {
	var found []FileSecret
	visited := *c
	eachSecret("", reflect.ValueOf(&visited).Elem(), func(path string, _ field, value reflect.Value) {
		if secret, _ := reflect.TypeAssert[Secret](value); secret.File() != "" {
			found = append(found, FileSecret{Path: path, File: secret.File()})
		}
	})
	return found
}
