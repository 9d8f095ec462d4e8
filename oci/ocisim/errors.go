package ocisim

import (
	"fmt"
	"slices"
)

// ErrorNumber is an error with which the platform can reply.
type ErrorNumber struct {
	Number int
	// Public reports whether public sources document this number with this
	// meaning. All others are invented here.
	Public bool
	// Text is the summary without the number at its beginning. "%s" is the place of
	// a service's name.
	Text string
}

// errorNumbers are the declared errors.
var errorNumbers []*ErrorNumber

// public declares an error with a public number. Only package-level variables may
// call it and invented.
func public(number int, text string) *ErrorNumber {
	return declare(&ErrorNumber{Number: number, Public: true, Text: text})
}

// invented declares an error with a number that is not public.
func invented(number int, text string) *ErrorNumber {
	return declare(&ErrorNumber{Number: number, Text: text})
}

func declare(e *ErrorNumber) *ErrorNumber {
	errorNumbers = append(errorNumbers, e)
	return e
}

// The errors of the protocol and of the general commands. A service declares its
// own beside its commands.
var (
	userNotFound       = public(4008, "User not found")
	groupNotFound      = public(4152, "Group not found")
	serviceNotAssigned = public(4410, "The service is not assigned to this subscriber")
	invalidPassword    = public(4962, "Invalid password")
	accountDisabled    = public(5202, "The account is disabled")
	unauthorized       = public(5404, "Unauthorized transaction")
	invalidRequest     = public(6004, "OCI XML Request validation error")

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
	serviceNotAuthorized = invented(9912, "The service %s is not authorized to the group")
	injected             = invented(9999, "Injected fault")
)

// ErrorNumbers returns all errors of the platform in the order of their numbers.
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
	// received is the refused text as it was received. It follows the detail. It
	// may hold a password, so it is sent to the client only.
	received string
}

// refuse returns a refusal about a subject, which may be empty.
func refuse(e *ErrorNumber, subject string) *refusal {
	r := &refusal{number: e.Number, severity: "Error", text: e.Text}
	if subject != "" {
		r.text += ": " + subject
	}
	return r
}

// invalid returns the refusal of a document or command that does not fit the
// schema.
func invalid(format string, args ...any) *refusal {
	r := refuse(invalidRequest, "")
	r.detail = fmt.Sprintf(format, args...)
	return r
}

// about adds the refused text as it was received.
func (r *refusal) about(received string) *refusal {
	r.received = received
	return r
}

// logged returns a copy without the text that only the client may get.
func (r *refusal) logged() *refusal {
	if r == nil {
		return nil
	}
	fit := *r
	fit.received = ""
	return &fit
}

// summary returns the summary with the number at its beginning, as real platforms
// write it.
func (r *refusal) summary() string {
	return fmt.Sprintf("[%s %d] %s", r.severity, r.number, r.text)
}

// Error returns the summary, for the log.
func (r *refusal) Error() string { return "ocisim: " + r.summary() }
