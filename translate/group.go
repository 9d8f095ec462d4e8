package translate

import (
	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// Group is the target of a request: a group of a tenant, which the platform
// calls a service provider or an enterprise.
type Group struct{ TenantID, GroupID string }

// Target is the group as a target of the scope of groups.
func (g Group) Target() scope.Target {
	return scope.Target{TenantID: g.TenantID, GroupID: g.GroupID}
}

// Problems are all the reasons for which the ids cannot be the platform's, by
// the names of the path parameters tenant_id and group_id. A nil charset holds
// every text.
func (g Group) Problems(charset scope.Charset) []errcode.Problem {
	return scope.Group.Problems(g.Target(), charset)
}

// elements are the group's ids as every command of a group begins.
func (g Group) elements() []oci.Element {
	return []oci.Element{oci.Text("serviceProviderId", g.TenantID), oci.Text("groupId", g.GroupID)}
}

// values are what a caller has chosen of a command that asks about the group or
// its tenant.
func (g Group) values() []string { return []string{g.TenantID, g.GroupID} }
