package config

import "reflect"

// Diff returns the keys whose values differ between two configurations, in the order
// of the keys, as paths such as "auth.clients[0].hash". If two lists have different
// lengths, it returns the key of the list and none of its entries. A secret differs
// if its text differs or the file that it is from. The places of the values in their
// files do not count.
func Diff(a, b *Config) []string {
	return diffSections("", reflect.ValueOf(*a), reflect.ValueOf(*b))
}

// KeepRestartKeys replaces the values of the keys that need a restart with those of
// the running configuration, which stay effective until the restart. It returns the
// keys whose values differed, as [Diff] does.
func (c *Config) KeepRestartKeys(running *Config) []string {
	return keepRestartKeys("", reflect.ValueOf(c).Elem(), reflect.ValueOf(*running))
}

func keepRestartKeys(path string, section, running reflect.Value) []string {
	var paths []string
	for _, f := range fields(section.Type()) {
		at, value, kept := join(path, f.key), section.Field(f.index), running.Field(f.index)
		switch {
		case f.restart:
			paths = append(paths, diffValues(at, value, kept)...)
			value.Set(kept)
		case isSection(f.typ):
			paths = append(paths, keepRestartKeys(at, value, kept)...)
		}
	}
	return paths
}

func diffSections(path string, a, b reflect.Value) []string {
	var paths []string
	for _, f := range fields(a.Type()) {
		paths = append(paths, diffValues(join(path, f.key), a.Field(f.index), b.Field(f.index))...)
	}
	return paths
}

// diffValues returns the paths of the differences between two values of the same type.
func diffValues(path string, a, b reflect.Value) []string {
	switch {
	case isSection(a.Type()):
		return diffSections(path, a, b)
	case a.Kind() == reflect.Slice && a.Len() == b.Len():
		var paths []string
		for i := range a.Len() {
			paths = append(paths, diffValues(entry(path, i), a.Index(i), b.Index(i))...)
		}
		return paths
	case a.Kind() == reflect.Slice || !isSame(a, b):
		return []string{path}
	}
	return nil
}

// isSame reports whether two single values are the same.
func isSame(a, b reflect.Value) bool {
	if s, ok := reflect.TypeAssert[Secret](a); ok {
		other, _ := reflect.TypeAssert[Secret](b)
		return s.Reveal() == other.Reveal() && s.File() == other.File()
	}
	return a.Interface() == b.Interface()
}
