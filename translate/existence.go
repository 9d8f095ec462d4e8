package translate

import (
	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// TenantExistence asks whether the target's tenant exists.
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

// GroupExistence asks whether the target's group exists in its tenant.
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

// UserExistence asks whether the target's user exists in its group.
var UserExistence = &Existence{
	Listing: Listing{
		Command: "UserGetListInGroupRequest",
		Elements: func(t scope.Target) []oci.Element {
			// In the schema, this element begins with a capital letter.
			return append(TenantElements(t), oci.Text("GroupId", t.GroupID), EqualTo("searchCriteriaUserId", t.UserID))
		},
		Table: "userTable",
		Key:   "User Id",
	},
	ID:      func(t scope.Target) string { return t.UserID },
	Missing: errcode.UserNotFound,
}

// UserElements returns the elements that name a user in commands about a user.
// They do not name the user's group.
func UserElements(t scope.Target) []oci.Element {
	return []oci.Element{oci.Text("userId", t.UserID)}
}

// TenantElements returns the elements that name a tenant in commands about a
// tenant.
func TenantElements(t scope.Target) []oci.Element {
	return []oci.Element{oci.Text("serviceProviderId", t.TenantID)}
}

// GroupElements returns the elements that name a group in commands about a group.
func GroupElements(t scope.Target) []oci.Element {
	return []oci.Element{oci.Text("serviceProviderId", t.TenantID), oci.Text("groupId", t.GroupID)}
}

// EqualTo returns the search criterion for exactly that value.
func EqualTo(criterion, value string) oci.Element {
	return oci.Parent(criterion,
		oci.Text("mode", "Equal To"), oci.Text("value", value), oci.Text("isCaseInsensitive", "false"))
}
