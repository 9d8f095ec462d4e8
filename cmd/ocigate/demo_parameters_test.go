package main

// This file specifies the parameters that the viewer of the demonstration fills in. A new
// route needs a call of the demonstration that succeeds.

import (
	"testing"

	"ocigate/config"
	"ocigate/gateway"
)

func TestViewerParametersAreThoseOfCallsThatSucceed(t *testing.T) {
	for _, from := range availableLists {
		found := viewerParameters(demoCalls(from))
		for _, route := range gateway.Table() {
			if route.Name == "operation_get" {
				continue // its parameter is the id of a write
			}
			for _, p := range route.PathParameters() {
				if found[route.Name][p.Name] == "" {
					t.Errorf("%s: %s has no value for %s", from, route.Name, p.Name)
				}
			}
		}
	}
	found := viewerParameters(demoCalls(config.AvailableFromGroup))
	for name, tenant := range map[string]string{
		"itc_prefixes_assign": "bartenant", "itc_prefixes_remove": "bartenant", "itc_prefixes_remove_by_post": "bartenant",
		"itc_prefixes_list": "ApioSpTest", "itc_numbers_assign": "ApioSpTest",
	} {
		if got := found[name]["tenant_id"]; got != tenant {
			t.Errorf("%s has the tenant %q, want %s", name, got, tenant)
		}
	}
}
