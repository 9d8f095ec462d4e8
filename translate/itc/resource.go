package itc

import (
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// resource is all in which number ranges and prefixes differ.
type resource struct {
	kind     string // of the entries
	listKind string // of the claim on what a group has, as a whole
	// The bodies: of a change, of the list of what the group has, and of the list
	// of what is available.
	changeBody, ownBody, availableBody *translate.Shape
	// list is the key of the entries in the body of a change. start and end are
	// the keys of an entry's, and startHeading and endHeading those columns of the
	// platform's. An entry without an end has neither key nor column of one.
	list, start, end         string
	startHeading, endHeading string

	own        translate.Listing // what the group has
	groupFree  translate.Listing // what of it no user has
	tenantFree translate.Listing // what of the tenant no group has
	tenantAll  translate.Listing // what the tenant has, and which group has it
	// The commands of a change, and their element that names an entry.
	assign, unassign, element string
	unavailable               string          // the message of NotAvailableForAssignment
	unknown                   string          // the reason of an entry that the tenant does not have
	errors                    []*errcode.Code // besides those of the context
}

const (
	groupIDHeading = "Group Id"
	// exampleUser has the ranges and prefixes of the examples.
	exampleUser = "ApioUserTest@sip.netaxis.be"
)

// ownerFields say who has a range or prefix. Without a user all but the group is
// empty.
var ownerFields = []translate.Field{
	{Key: "groupId", Kind: translate.GroupID, Source: groupIDHeading, Example: "ApioGrpTest"},
	{Key: "userId", Source: "User Id", Example: exampleUser},
	{Key: "lastName", Source: "Last Name", Example: "Test"},
	{Key: "firstName", Source: "First Name", Example: "Test"},
	{Key: "phoneNumber", Kind: translate.PhoneNumber, Source: "Phone Number", Example: "+3226127000"},
	{Key: "extension", Source: "Extension", Example: "4000"},
	{Key: "department", Kind: translate.Department, Source: "Department", Optional: true, Item: translate.DepartmentShape},
	{Key: "emailAddress", Source: "Email Address", Example: "test_mail@test.netaxis.be"},
	{Key: "enterpriseTrunk", Source: "Enterprise Trunk"},
}

// activeField says whether a range or prefix is in use.
var activeField = translate.Field{Key: "active", Kind: translate.Boolean, Source: "Is Active", Example: "true"}

// listOf is the shape of a body that holds one list.
func listOf(key string, item ...translate.Field) *translate.Shape {
	return &translate.Shape{Fields: []translate.Field{{Key: key, Kind: translate.List, Item: &translate.Shape{Fields: item}}}}
}
