package translate

// This file specifies the limits of the two caches, which only the package can
// see.

import (
	"fmt"
	"testing"
	"time"

	"ocigate/translate/scope"
)

// The number of cached departments is limited to those that were used last.
func TestDepartmentCacheIsBounded(t *testing.T) {
	d := newDepartments()
	target := scope.Target{TenantID: "t", GroupID: "g"}
	for i := range 2 * maxDepartments {
		path := fmt.Sprintf(`a \ %d`, i)
		d.add(target, []string{path}, departmentNames{path: "x"}, time.Now())
	}
	if n := d.cache.Len(); n != maxDepartments {
		t.Errorf("%d are cached, want %d", n, maxDepartments)
	}
	last := departmentKey{"t", "g", fmt.Sprintf(`a \ %d`, 2*maxDepartments-1)}
	if cached, ok := d.cache.Get(last); !ok || cached.name != "x" {
		t.Errorf("the last is cached as %v, %t", cached, ok)
	}
}

func TestContextCacheIsBounded(t *testing.T) {
	c := newContexts(time.Hour)
	of := &Context{}
	for i := range 2 * maxContexts {
		c.add(of, scope.Target{TenantID: fmt.Sprint(i)}, time.Now(), nil)
	}
	if n := c.cache.Len(); n != maxContexts {
		t.Errorf("%d are cached, want %d", n, maxContexts)
	}
	if _, known := c.lookup(of, scope.Target{TenantID: fmt.Sprint(2*maxContexts - 1)}); !known {
		t.Error("the last is not cached")
	}
	if _, known := c.lookup(&Context{}, scope.Target{TenantID: fmt.Sprint(2*maxContexts - 1)}); known {
		t.Error("another context is cached")
	}
}
