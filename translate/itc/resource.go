package itc

import (
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// A resource is everything in which number ranges and prefixes differ.
type resource struct {
	// schema and entrySchema begin the names of the shapes of all bodies and of the
	// entries of their lists.
	schema, entrySchema string

	kind     string // of the entries
	listKind string // of the claim on the entire list of a group
	// The bodies: of a change, of the list of what the group has, and of the list
	// of what is available.
	changeBody, ownBody, availableBody *translate.Shape
	// list is the key of the entries in the body of a change. start and end are
	// the keys of an entry's members, and startHeading and endHeading the
	// headings of their columns. end and endHeading are empty for entries without
	// an end.
	list, start, end         string
	startHeading, endHeading string

	own        translate.Listing // what the group has
	groupFree  translate.Listing // what the group has and no user
	tenantFree translate.Listing // what the tenant has and no group
	tenantAll  translate.Listing // what the tenant has, and which group has it
	// The commands of a change, and their element that names an entry.
	assign, unassign, element string
	unavailable               string          // the message of NotAvailableForAssignment
	unknown                   string          // the reason of an entry that the tenant does not have
	errors                    []*errcode.Code // besides those of the context
}

const (
	groupIDHeading = "Group Id"
	userIDKey      = "userId"
	// exampleUser is the user of the examples in the documentation.
	exampleUser = "ApioUserTest@sip.netaxis.be"
)

// ownerFields are the members that show which group and user have an entry.
// Without a user all except the group are empty.
var ownerFields = []translate.Field{
	{Key: "groupId", Kind: translate.GroupID, Source: groupIDHeading, Word: "GroupId", Example: "ApioGrpTest", Doc: "The group that has it."},
	{Key: userIDKey, Source: userIDHeading, Word: "UserId", Example: exampleUser, Doc: "The user who has it; empty if none does. Then the members of the user are empty, too."},
	{Key: "lastName", Source: "Last Name", Word: "UserLastName", Example: "Test", Doc: "The user's last name."},
	{Key: "firstName", Source: "First Name", Word: "UserFirstName", Example: "Test", Doc: "The user's first name."},
	{Key: "phoneNumber", Kind: translate.PhoneNumber, Source: "Phone Number", Word: "UserPhoneNumber", Example: "+3226127000", Doc: "The user's own phone number."},
	{Key: "extension", Source: "Extension", Word: "Extension", Example: "4000", Doc: "The user's extension."},
	{Key: "department", Kind: translate.Department, Source: "Department", Word: "DepartmentFullPath", Optional: true, Item: translate.DepartmentShape, Doc: "The user's department; absent if there is none."},
	{Key: "emailAddress", Source: "Email Address", Word: "EmailAddress", Example: "test_mail@test.netaxis.be", Doc: "The user's email address."},
	{Key: "enterpriseTrunk", Source: "Enterprise Trunk", Word: "EnterpriseTrunk", Doc: "The enterprise trunk that calls are routed to."},
}

// activeField is the member that reports whether an entry is in use.
var activeField = translate.Field{Key: "active", Kind: translate.Boolean, Source: "Is Active", Example: "true", Doc: "Whether it is activated on the platform."}

// listOf returns the shape of a body with one list. name and entry are the names of
// the shapes of the body and of an entry of the list.
func listOf(name, entry, key string, item ...translate.Field) *translate.Shape {
	return &translate.Shape{Name: name, Fields: []translate.Field{{Key: key, Kind: translate.List, Item: &translate.Shape{Name: entry, Fields: item}}}}
}
