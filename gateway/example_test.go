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
			fmt.Printf("%s (%s)\n%s %s\n", route.Name, route.Level, route.Method, route.FullPath())
		}
	}
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
