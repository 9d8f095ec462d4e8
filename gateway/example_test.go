package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"ocigate/gateway"
)

// Runnable examples of the package's documentation.

// The table of routes needs no platform.
func ExampleTable() {
	for _, route := range gateway.Table() {
		if route.Method == http.MethodPut {
			fmt.Printf("%s (%s)\n%s\n", route.Name, route.Level, route.FullPath())
		}
	}
	// Output:
	// itc_numbers_set (Tenant Admin)
	// /api/v1/tenant/{tenant_id}/group/{group_id}/services/immediate_trunking_connectivity/numbers/
	// itc_prefixes_set (Tenant Admin)
	// /api/v1/tenant/{tenant_id}/group/{group_id}/services/immediate_trunking_connectivity/prefixes/
	// itc_user_set (Group Admin)
	// /api/v1/tenant/{tenant_id}/groups/{group_id}/users/{user_id}/services/immediate_trunking_connectivity/
}

// A replica gets requests while /readyz responds with 200.
func ExampleAdmin() {
	admin := gateway.NewAdmin(gateway.NewMetrics("1.0"))
	readiness := func() {
		recorder := httptest.NewRecorder()
		admin.ServeHTTP(recorder, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/readyz", nil))
		fmt.Print(recorder.Code, " ", recorder.Body)
	}
	readiness()
	admin.SetReady(true)
	readiness()
	admin.SetDraining()
	readiness()
	// Output:
	// 503 not ready
	// 200 ready
	// 503 draining
}
