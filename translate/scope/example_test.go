package scope_test

import (
	"fmt"
	"net/url"

	"ocigate/translate/scope"
)

func ExampleScope_Target() {
	parameters := map[string]string{"tenant_id": "ApioSpTest", "group_id": "Group 1"}
	target := scope.Group.Target(func(name string) string { return parameters[name] })

	fmt.Println(target.Scope(), target.IDs())
	fmt.Println(scope.Group.Path(target, url.PathEscape))
	fmt.Println(scope.Target{TenantID: "ApioSpTest"}.Contains(target))
	// Output:
	// group [ApioSpTest Group 1]
	// /tenant/ApioSpTest/group/Group%201
	// true
}

func ExampleScope_Problems() {
	target := scope.Target{TenantID: " ApioSpTest"}
	for _, p := range scope.Tenant.Problems(target, nil) {
		fmt.Println(p)
	}
	// Output: tenant_id must not begin or end with a blank
}
