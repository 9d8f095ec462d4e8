package translate

// AccountRequired is the type that the gateway's own account must have on the
// platform, in the platform's words for login types.
const AccountRequired = "System or Provisioning"

// AccountLacks returns what the gateway cannot do with an account of that login
// type, empty where it can do everything. The published schema does not say
// which type may send which command; that an administrator is kept to what they
// administer is common to all sources.
func AccountLacks(loginType string) string {
	switch loginType {
	case "System", "Provisioning":
		return ""
	case "Reseller":
		return "the tenants of other resellers, and the verification of callers' passwords by command"
	case "Service Provider":
		return "all other tenants, the list of tenants, and the verification of callers' passwords by command"
	}
	return "reading a tenant, and so every request, and the verification of callers' passwords by command"
}
