package translate_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

func ExampleCanonical() {
	fmt.Println(translate.Canonical("+32-2-612 70 00"))
	// Output: +3226127000
}

func ExampleShape_Decode() {
	shape := &translate.Shape{Fields: []translate.Field{
		{Key: "name", Kind: translate.Text, Min: 1, Max: 30},
		{Key: "active", Kind: translate.Boolean, Optional: true},
	}}

	in, err := shape.Decode([]byte(`{"name": "Coast"}`))
	fmt.Println(in.Text("name"), in.Has("active"), err)

	_, err = shape.Decode([]byte(`{"name": "", "active": "yes"}`))
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		fmt.Println(e.Code.Name)
		for _, p := range e.Problems {
			fmt.Println(p)
		}
	}
	// Output:
	// Coast false <nil>
	// JSON_SCHEMA_VALIDATION
	// /name must have 1 to 30 characters
	// /active must be a boolean, not a string
}

// onePlatform is a Reader with one reply for every command.
type onePlatform string

func (p onePlatform) Read(context.Context, ...oci.Read) ([]oci.Reply, error) {
	return oci.ParseReplies([]byte(p))
}

func ExampleListQuery() {
	engine := translate.New(translate.Options{Reader: onePlatform(
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
			`<sessionId xmlns="">1</sessionId><command xsi:type="GroupThingGetListResponse" xmlns=""><thingTable>` +
			`<colHeading>Number</colHeading><colHeading>Is Active</colHeading>` +
			`<row><col>+32-2-6127000</col><col>true</col></row>` +
			`</thingTable></command></BroadsoftDocument>`)})
	query := &translate.ListQuery{
		Engine:  engine,
		Context: &translate.Context{},
		Listing: translate.Listing{
			Command: "GroupThingGetListRequest", Elements: translate.GroupElements,
			Table: "thingTable", Key: "Number", KeyKind: translate.PhoneNumber,
		},
		Response: &translate.Shape{Fields: []translate.Field{{
			Key: "things", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{
				{Key: "number", Kind: translate.PhoneNumber, Source: "Number"},
				{Key: "active", Kind: translate.Boolean, Source: "Is Active"},
			}},
		}}},
	}
	body, err := query.Read(context.Background(), scope.Target{TenantID: "T", GroupID: "G"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := bufio.NewWriter(os.Stdout)
	if err := errors.Join(body.WriteJSON(w), w.Flush()); err != nil {
		fmt.Println(err)
	}
	// Output: {"things":[{"number":"+3226127000","active":true}]}
}
