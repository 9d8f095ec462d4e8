package translate

import (
	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// TenantExistence is the question whether the target's tenant exists.
var TenantExistence = &Existence{
	Listing: Listing{
		Command: "ServiceProviderGetListRequest",
		Elements: func(t scope.Target) []oci.Element {
			return []oci.Element{EqualTo("searchCriteriaServiceProviderId", t.TenantID)}
		},
		Table: "serviceProviderTable",
		Key:   "Service Provider Id",
	},
	ID:      func(t scope.Target) string { return t.TenantID },
	Missing: errcode.TenantNotFound,
}

// GroupExistence is the question whether the target's group exists in its tenant.
var GroupExistence = &Existence{
	Listing: Listing{
		Command: "GroupGetListInServiceProviderRequest",
		Elements: func(t scope.Target) []oci.Element {
			return append(TenantElements(t), EqualTo("searchCriteriaGroupId", t.GroupID))
		},
		Table: "groupTable",
		Key:   groupIDHeading,
	},
	ID:      func(t scope.Target) string { return t.GroupID },
	Missing: errcode.GroupNotFound,
}

// UserExistence is the question whether the target's user is one of its group.
var UserExistence = &Existence{
	Listing: Listing{
		Command: "UserGetListInGroupRequest",
		Elements: func(t scope.Target) []oci.Element {
			// The group's element has a capital letter, as in the schema.
			return append(TenantElements(t), oci.Text("GroupId", t.GroupID), EqualTo("searchCriteriaUserId", t.UserID))
		},
		Table: "userTable",
		Key:   "User Id",
	},
	ID:      func(t scope.Target) string { return t.UserID },
	Missing: errcode.UserNotFound,
}

// UserElements name a target's user, as commands about a user begin. They do not
// say which group the user is of.
func UserElements(t scope.Target) []oci.Element {
	return []oci.Element{oci.Text("userId", t.UserID)}
}

// TenantElements name a target's tenant, as commands about a tenant begin.
func TenantElements(t scope.Target) []oci.Element {
	return []oci.Element{oci.Text("serviceProviderId", t.TenantID)}
}

// GroupElements name a target's group, as commands about a group begin.
func GroupElements(t scope.Target) []oci.Element {
	return []oci.Element{oci.Text("serviceProviderId", t.TenantID), oci.Text("groupId", t.GroupID)}
}

// EqualTo is a search criterion for exactly that value.
func EqualTo(criterion, value string) oci.Element {
	return oci.Parent(criterion,
		oci.Text("mode", "Equal To"), oci.Text("value", value), oci.Text("isCaseInsensitive", "false"))
}
