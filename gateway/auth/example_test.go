package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"ocigate/gateway/auth"
	"ocigate/translate/scope"
)

// This example lists a client and authenticates its request.
func ExampleAuthenticator_Authenticate() {
	hash, err := auth.Hash("correct horse battery staple")
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := auth.New(auth.Options{
		Verifier: groupAdmin(), // in a gateway: the platform
		Clients:  []auth.Client{{ID: "portal", Hash: auth.Secret(hash), Level: auth.TenantAdmin, TenantID: "acme"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	request := httptest.NewRequest(http.MethodGet, "/api/v1/", nil)
	request.SetBasicAuth("portal", "correct horse battery staple")
	caller, err := a.Authenticate(request, netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(caller.Name, caller.Level, caller.Method)
	fmt.Println(caller.May(auth.GroupAdmin, scope.Target{TenantID: "acme", GroupID: "sales"}))
	fmt.Println(caller.May(auth.GroupAdmin, scope.Target{TenantID: "other", GroupID: "sales"}))
	// Output:
	// portal Tenant Admin basic
	// true
	// false
}
