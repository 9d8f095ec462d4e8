package scope

// A Target is what a request is about: the entire platform, a tenant, a group of
// it, or a user of that. The ids below its level are empty. Targets are
// comparable: two are the same exactly if they are equal. Case matters.
type Target struct {
	// TenantID is the platform's serviceProviderId.
	TenantID string `json:"tenant_id"`
	GroupID  string `json:"group_id"`
	UserID   string `json:"user_id,omitempty"`
}

// Scope returns the narrowest scope of which the target has an id.
func (t Target) Scope() Scope {
	switch {
	case t.UserID != "":
		return User
	case t.GroupID != "":
		return Group
	case t.TenantID != "":
		return Tenant
	}
	return System
}

// Contains reports whether another target is this one or a part of it: a tenant
// contains its groups and their users, and the zero Target contains everything.
func (t Target) Contains(other Target) bool {
	return isEmptyOr(t.TenantID, other.TenantID) && isEmptyOr(t.GroupID, other.GroupID) && isEmptyOr(t.UserID, other.UserID)
}

func isEmptyOr(id, other string) bool { return id == "" || id == other }

// IDs returns the ids that the target has, the tenant's first.
func (t Target) IDs() []string {
	var ids []string
	for _, id := range []string{t.TenantID, t.GroupID, t.UserID} {
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}
