package ocisim

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// This file specifies that a caller of DemoSeed may change its seed.

// TestDemoSeedIsNotShared changes every element of every slice of a seed.
func TestDemoSeedIsNotShared(t *testing.T) {
	seed, unchanged := DemoSeed(), DemoSeed()
	if len(seed.Tenants) == 0 || len(seed.Tenants[0].Groups) == 0 || len(seed.Administrators) == 0 {
		t.Fatal("the seed of the demonstration is almost empty")
	}
	clearSlices(reflect.ValueOf(&seed).Elem())
	for name, other := range map[string]Seed{"one from before": unchanged, "one from after": DemoSeed()} {
		if diff := cmp.Diff(demoSeed(), other); diff != "" {
			t.Errorf("a change of a seed changes %s (-want +got):\n%s", name, diff)
		}
	}
	if unchanged.Tenants[0].ID == "" || unchanged.Tenants[0].Groups[0].ID == "" {
		t.Error("a change of a seed changes all of them")
	}
}

// clearSlices sets all elements of all slices in v to zero, from the inside.
func clearSlices(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			clearSlices(field)
		}
	case reflect.Slice:
		for i := range v.Len() {
			clearSlices(v.Index(i))
			v.Index(i).SetZero()
		}
	}
}

// TestSeedsCanBeCloned requires that a seed has only references of the kinds that clone
// copies: slices. Strings cannot change.
func TestSeedsCanBeCloned(t *testing.T) {
	var seen []reflect.Type
	var check func(t *testing.T, path string, of reflect.Type)
	check = func(t *testing.T, path string, of reflect.Type) {
		t.Helper()
		switch of.Kind() {
		case reflect.Struct:
			if slices.Contains(seen, of) {
				return
			}
			seen = append(seen, of)
			for field := range of.Fields() {
				if !field.IsExported() {
					t.Errorf("%s.%s is not exported: clone cannot set it", path, field.Name)
				}
				check(t, path+"."+field.Name, field.Type)
			}
		case reflect.Slice:
			check(t, path+"[]", of.Elem())
		case reflect.Bool, reflect.String, reflect.Int, reflect.Int64:
		default:
			t.Errorf("%s is of the kind %s, which clone does not copy", path, of.Kind())
		}
	}
	check(t, "Seed", reflect.TypeFor[Seed]())
}
