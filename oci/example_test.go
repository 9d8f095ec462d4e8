package oci_test

import (
	"context"
	"fmt"

	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// A client asks a platform for a group's prefixes. The platform here is a
// simulated one; a real one is reached in the same way.
func Example() {
	platform := ocisim.NewServer(ocisim.DemoSeed())
	defer func() { _ = platform.Close() }() // never fails

	ctx := context.Background()
	client, err := oci.New(oci.Options{
		Endpoints: []oci.Endpoint{{
			Address: platform.Addr, UserID: "gateway", Password: "gateway-demo",
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close(ctx) }() // ctx has no end, so nothing is cut off

	replies, err := client.Read(ctx, oci.NewRead("GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
		oci.Text("serviceProviderId", "ApioSpTest"),
		oci.Text("groupId", "ApioGrpTest"),
	))
	if err != nil {
		fmt.Println(err) // no answer: see the errors of Read
		return
	}
	if err := replies[0].Err(); err != nil {
		fmt.Println(err) // the platform's refusal, an *oci.ErrorReply
		return
	}
	table, err := replies[0].Table("numberPrefixSummaryTable")
	if err != nil {
		fmt.Println(err)
		return
	}
	prefix, user := table.Column("Number Prefix"), table.Column("User Id")
	for row := range table.Rows() {
		fmt.Printf("%s %q\n", row.Cell(prefix), row.Cell(user))
	}
	// Output:
	// +32-01 "ApioUserTest@sip.netaxis.be"
	// +32-02 ""
}
