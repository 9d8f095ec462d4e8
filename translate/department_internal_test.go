package translate

import (
	"fmt"
	"testing"
	"time"

	"ocigate/translate/scope"
)

// However many departments there are, a bounded number is remembered: those that
// were used last.
func TestMemoryOfDepartmentsIsBounded(t *testing.T) {
	d := newDepartments()
	target := scope.Target{TenantID: "t", GroupID: "g"}
	for i := range 2 * maxDepartments {
		path := fmt.Sprintf(`a \ %d`, i)
		d.remember(target, []string{path}, departmentNames{path: "x"}, time.Now())
	}
	if n := d.known.Len(); n != maxDepartments {
		t.Errorf("%d are remembered, want %d", n, maxDepartments)
	}
	last := departmentKey{"t", "g", fmt.Sprintf(`a \ %d`, 2*maxDepartments-1)}
	if remembered, ok := d.known.Get(last); !ok || remembered.name != "x" {
		t.Errorf("the last is remembered as %v, %t", remembered, ok)
	}
}

func TestMemoryOfContextsIsBounded(t *testing.T) {
	c := newContexts(time.Hour)
	of := &Context{}
	for i := range 2 * maxContexts {
		c.remember(of, scope.Target{TenantID: fmt.Sprint(i)}, time.Now(), nil)
	}
	if n := c.known.Len(); n != maxContexts {
		t.Errorf("%d are remembered, want %d", n, maxContexts)
	}
	if _, known := c.good(of, scope.Target{TenantID: fmt.Sprint(2*maxContexts - 1)}); !known {
		t.Error("the last is not remembered")
	}
	if _, known := c.good(&Context{}, scope.Target{TenantID: fmt.Sprint(2*maxContexts - 1)}); known {
		t.Error("another context is remembered")
	}
}
