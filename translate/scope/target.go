package scope

// Target names what a request is about: the platform as a whole, a tenant, a
// group of it, or a user of that. An id is empty where the target is wider. Two
// targets are the same exactly if they are equal; ids are compared as they are.
type Target struct {
	// TenantID is the platform's serviceProviderId.
	TenantID string `json:"tenant_id"`
	GroupID  string `json:"group_id"`
	UserID   string `json:"user_id,omitempty"`
}

// Scope is the narrowest that the target has an id of.
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
// contains its groups and their users, and the zero Target everything.
func (t Target) Contains(other Target) bool {
	return isEmptyOr(t.TenantID, other.TenantID) && isEmptyOr(t.GroupID, other.GroupID) && isEmptyOr(t.UserID, other.UserID)
}

func isEmptyOr(id, other string) bool { return id == "" || id == other }

// IDs are the ids that the target has, the tenant's first.
func (t Target) IDs() []string {
	var ids []string
	for _, id := range []string{t.TenantID, t.GroupID, t.UserID} {
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}
