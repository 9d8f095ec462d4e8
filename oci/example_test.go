package oci_test

import (
	"context"
	"errors"
	"fmt"

	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// A client reads the prefixes of a group. The platform of this example is a simulated
// one; a real one is used in the same way.
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
		fmt.Println(err) // no reply: see the errors of Read
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

// ParseReplies reads a document that was received in another way, such as from a trace
// of a platform.
func ExampleParseReplies() {
	replies, err := oci.ParseReplies([]byte(`<?xml version="1.0" encoding="ISO-8859-1"?>
<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <sessionId xmlns="">s1</sessionId>
  <command xsi:type="UserGetListInGroupResponse" xmlns="">
    <userTable>
      <colHeading>User Id</colHeading><colHeading>Last Name</colHeading>
      <row><col>anna@example.net</col><col>Meier</col></row>
      <row><col>ben@example.net</col><col>Schmidt &amp; Co</col></row>
    </userTable>
  </command>
  <command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">
    <summary>[Error 4008] User not found: carla</summary>
    <summaryEnglish>[Error 4008] User not found: carla</summaryEnglish>
  </command>
</BroadsoftDocument>`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, reply := range replies {
		if refusal, ok := errors.AsType[*oci.ErrorReply](reply.Err()); ok {
			fmt.Println(refusal.Number, refusal.Summary)
			continue
		}
		users, err := reply.Table("userTable")
		if err != nil {
			fmt.Println(err)
			return
		}
		user, name := users.Column("User Id"), users.Column("Last Name")
		for row := range users.Rows() {
			fmt.Printf("%s is %s\n", row.Cell(user), row.Cell(name))
		}
	}
	// Output:
	// anna@example.net is Meier
	// ben@example.net is Schmidt & Co
	// 4008 [Error 4008] User not found: carla
}
