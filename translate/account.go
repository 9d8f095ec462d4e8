package translate

// AccountRequired names the login types that the gateway's own account may have
// on the platform, as the platform names them.
const AccountRequired = "System or Provisioning"

// AccountLacks returns what the gateway cannot do with an account of that login
// type, or "" if it can do everything. The published schema does not specify
// which type may send which command; all sources agree that an administrator is
// limited to what they administer.
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
