package ocisim

import (
	"fmt"
	"slices"
)

// ErrorNumber is one error that the platform can answer with.
type ErrorNumber struct {
	Number int
	// Public tells that public sources know this number with this meaning.
	// All others are invented here.
	Public bool
	// Text is the summary without the number at its head.
	Text string
}

var errorNumbers []*ErrorNumber

// known and invented are called by package-level variables only.
func known(number int, text string) *ErrorNumber {
	return declare(&ErrorNumber{Number: number, Public: true, Text: text})
}

func invented(number int, text string) *ErrorNumber {
	return declare(&ErrorNumber{Number: number, Text: text})
}

func declare(e *ErrorNumber) *ErrorNumber {
	errorNumbers = append(errorNumbers, e)
	return e
}

var (
	userNotFound       = known(4008, "User not found")
	groupNotFound      = known(4152, "Group not found")
	serviceNotAssigned = known(4410, "The service is not assigned to this subscriber")
	invalidPassword    = known(4962, "Invalid password")
	accountDisabled    = known(5202, "The account is disabled")
	unauthorized       = known(5404, "Unauthorized transaction")
	invalidRequest     = known(6004, "OCI XML Request validation error")

	notLoggedIn          = invented(9900, "Cannot process any request before user is logged in.")
	foreignSession       = invented(9901, "The connection belongs to another session")
	tenantNotFound       = invented(9902, "Service provider not found")
	passwordExpired      = invented(9903, "The password has expired")
	accountLocked        = invented(9904, "The account is locked after repeated failures")
	noNonce              = invented(9905, "A signed login needs an AuthenticationRequest of the same user before it")
	sizeLimitExceeded    = invented(9906, "More rows than the response size limit")
	loginTypeUnknown     = invented(9907, "The login type cannot be expressed by this command, use LoginRequest22V2 or later")
	notForEnterprise     = invented(9910, "The command is not available for an enterprise")
	onlyForEnterprise    = invented(9911, "The command is available for an enterprise only")
	serviceNotAuthorized = invented(9912, "The service Route List is not authorized to the group")
	notInTenant          = invented(9920, "Not in the service provider")
	notAvailable         = invented(9921, "Not available for assignment")
	notOfGroup           = invented(9922, "Not assigned to the group")
	possessedByUser      = invented(9923, "Assigned to a user")
	assignedToGroup      = invented(9924, "Assigned to a group")
	givenTwice           = invented(9925, "Given twice")
	overlapping          = invented(9926, "Overlaps with another one of the service provider")
	notANumber           = invented(9927, "Not a phone number, or not a range of them")
	activationOff        = invented(9928, "Activation of numbers is switched off for the system")
	injected             = invented(9999, "Injected fault")
)

// ErrorNumbers are all the errors of the platform in the order of their
// numbers.
func ErrorNumbers() []ErrorNumber {
	all := make([]ErrorNumber, len(errorNumbers))
	for i, e := range errorNumbers {
		all[i] = *e
	}
	slices.SortFunc(all, func(a, b ErrorNumber) int { return a.Number - b.Number })
	return all
}

// refusal is an ErrorResponse on its way to the client.
type refusal struct {
	number   int
	severity string // Error, Warning or Info
	text     string
	detail   string
	// received is what is refused, as it was received, and stands behind the
	// detail. It may hold a password: only the client gets to see it.
	received string
}

// refuse is a refusal about a subject, which may be empty.
func refuse(e *ErrorNumber, subject string) *refusal {
	r := &refusal{number: e.Number, severity: "Error", text: e.Text}
	if subject != "" {
		r.text += ": " + subject
	}
	return r
}

// invalid is the refusal of what does not fit the schema.
func invalid(format string, args ...any) *refusal {
	r := refuse(invalidRequest, "")
	r.detail = fmt.Sprintf(format, args...)
	return r
}

// about adds what is refused, as it was received.
func (r *refusal) about(received string) *refusal {
	r.received = received
	return r
}

// logged is the refusal without what only the client may see.
func (r *refusal) logged() *refusal {
	if r == nil {
		return nil
	}
	fit := *r
	fit.received = ""
	return &fit
}

// summary has the number at its head, as real platforms write it.
func (r *refusal) summary() string {
	return fmt.Sprintf("[%s %d] %s", r.severity, r.number, r.text)
}

func (r *refusal) Error() string { return "ocisim: " + r.summary() }
