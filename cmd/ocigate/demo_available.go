package main

import (
	"encoding/json"
	"fmt"

	"ocigate/config"
)

// availableHelp is the text of the banner about the entries of the available lists.
var availableHelp = map[config.AvailableFrom]string{
	config.AvailableFromGroup: `available_numbers/ and available_prefixes/ list entries that the group has already and no user possesses. They
cannot be assigned again. To list entries that can be assigned, start with --available-from tenant (api.available_from: tenant).`,
	config.AvailableFromTenant: `available_numbers/ and available_prefixes/ list entries that no group of the tenant has. Only these can be assigned.`,
}

// availableCalls returns the documented examples of the available lists. They are of a
// group whose own entries are listed, so with the lists of the tenant, availableCalls
// returns calls that assign listed entries instead.
func availableCalls(from config.AvailableFrom) []demoCall {
	if from != config.AvailableFromTenant {
		return []demoCall{
			{title: "list the available number ranges: the group's own", user: "portal", method: "GET", path: itc("footenant", "foogroup", "available_numbers"), status: 200, want: documentedAvailableNumbers},
			{title: "list the available prefixes: the group's own", user: "portal", method: "GET", path: itc("footenant", "foogroup", "available_prefixes"), status: 200, want: documentedAvailablePrefixes},
		}
	}
	const (
		freeRange  = `{"numbers":[{"minPhoneNumber":"+3225128000","maxPhoneNumber":"+3225128009"}]}`
		freePrefix = `{"prefixes":[{"prefix":"+32-03"}]}`
	)
	list := func(name string) string { return itc("ApioSpTest", "ApioGrpTest", name) }
	return []demoCall{
		{title: "list the number ranges that can be assigned", user: "tenant", method: "GET", path: list("available_numbers"), status: 200, want: assignableNumbers},
		{title: "assign one of those", user: "tenant", method: "POST", path: list("numbers"), body: freeRange, status: 201, want: noAnswer, listed: true},
		{title: "remove it, so that it can be assigned again", user: "tenant", method: "DELETE", path: list("numbers"), body: freeRange, status: 200, want: noAnswer},
		{title: "list the prefixes that can be assigned", user: "tenant", method: "GET", path: list("available_prefixes"), status: 200, want: assignablePrefixes},
		{title: "assign one of those", user: "tenant", method: "POST", path: list("prefixes"), body: freePrefix, status: 201, want: noAnswer, listed: true},
		{title: "remove it, so that it can be assigned again", user: "tenant", method: "DELETE", path: list("prefixes"), body: freePrefix, status: 200, want: noAnswer},
	}
}

// demoEntry is an entry of a list or of a change.
type demoEntry struct {
	Min    string `json:"minPhoneNumber"`
	Max    string `json:"maxPhoneNumber"`
	Prefix string `json:"prefix"`
}

// listedIn returns an error if an entry of a change's body is not in a list.
func listedIn(list []byte, body string) error {
	var listed, asked map[string][]demoEntry // of one key each
	if err := json.Unmarshal(list, &listed); err != nil {
		return fmt.Errorf("%w: %s", err, list)
	}
	if err := json.Unmarshal([]byte(body), &asked); err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	known := map[demoEntry]bool{}
	for _, entries := range listed {
		for _, e := range entries {
			known[e] = true
		}
	}
	for _, entries := range asked {
		for _, e := range entries {
			if !known[e] {
				return fmt.Errorf("%s is not listed in %s", body, list)
			}
		}
	}
	return nil
}
