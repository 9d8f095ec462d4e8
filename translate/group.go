package translate

import (
	"ocigate/oci"
	"ocigate/translate/scope"
)

// elementsOf are a group's ids as every command of a group begins.
func elementsOf(group scope.Target) []oci.Element {
	return []oci.Element{oci.Text("serviceProviderId", group.TenantID), oci.Text("groupId", group.GroupID)}
}
