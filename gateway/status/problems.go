package status

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ocigate/gateway"
)

const (
	// soon is the time before the expiry of a certificate in which it is a problem.
	soon = 14 * day
	// longUnknown is the age from which an unknown write needs a look.
	longUnknown = 5 * time.Minute
	// A share of failed requests in the last 5 minutes is a problem from fewFailed
	// failures on. If most of the requests fail, it is a fault from fewOfMost on.
	failedShare = 0.05
	fewFailed   = 5
	fewOfMost   = 2
)

// The sections of the page, by the fragment of their address.
const (
	sectionTop           = "top"
	sectionPlatform      = "platform"
	sectionTraffic       = "traffic"
	sectionErrors        = "errors"
	sectionWrites        = "writes"
	sectionReload        = "reload"
	sectionCertificates  = "certificates"
	sectionCallers       = "callers"
	sectionLog           = "log"
	sectionConfiguration = "configuration"
)

// findProblems sets Problems and Health.
func (s *Status) findProblems() {
	s.findServingProblems()
	s.findPlatformProblems()
	s.findQueueProblems()
	s.findWriteProblems()
	s.findErrorProblems()
	s.findReloadProblems()
	s.findCertificateProblems()
	s.findOtherProblems()
	order := map[Severity]int{Fault: 0, Warning: 1, Notice: 2}
	slices.SortStableFunc(s.Problems, func(a, b Problem) int { return cmp.Compare(order[a.Severity], order[b.Severity]) })
	s.Health = OK
	if len(s.Problems) > 0 && s.Problems[0].Severity != Notice {
		s.Health = s.Problems[0].Severity
	}
	if over := len(s.Problems) - maxProblems; over > 0 {
		s.Problems = append(s.Problems[:maxProblems:maxProblems], Problem{Notice, count(over, "more problem is not listed", "more problems are not listed"), "See the sections.", sectionTop})
	}
}

func (s *Status) problem(severity Severity, section, do, text string, args ...any) {
	s.Problems = append(s.Problems, Problem{Severity: severity, Text: fmt.Sprintf(text, args...), Do: do, Section: section})
}

func (s *Status) findServingProblems() {
	switch {
	case s.Ready || slices.Contains(s.Unanswered, sourceReady):
	case s.NotReady == "draining":
		s.problem(Notice, sectionTop, "Nothing to do: it serves until load balancers have noticed, and then ends.", "This replica is stopping.")
	default:
		reason, ofJournal := strings.CutPrefix(s.NotReady, "not ready: ")
		switch {
		case ofJournal && s.Journal != nil && !s.Journal.Usable:
			reason = "its journal is not usable"
		case s.NotReady == "not ready":
			reason = "it does not serve yet, or not any more"
		}
		s.problem(Fault, sectionTop, "Load balancers send it no requests until the reason is gone.", "This replica is not ready: %s.", reason)
	}
	for _, source := range s.Unanswered {
		s.problem(Warning, sectionTop, "Its section is missing below. If this lasts, a disk or another part of the machine hangs.",
			"The state of the %s is not known: it was not returned within %s.", source, span(patience))
	}
}

func (s *Status) findPlatformProblems() {
	if s.Platform == nil || len(s.Platform.Endpoints) == 0 {
		return
	}
	all := s.Platform.Endpoints
	usable := slices.IndexFunc(all, func(e Endpoint) bool { return e.Idle+e.Busy > 0 || e.State == Unused })
	untried := slices.ContainsFunc(all, func(e Endpoint) bool { return e.State == NotTried || e.State == Connecting })
	switch {
	case usable >= 0:
	case untried:
		s.problem(Notice, sectionPlatform, "Nothing to do: the first session is being made.", "There is no session with the platform yet.")
	default:
		s.problem(Fault, sectionPlatform, "Requests that need the platform get 503 with Retry-After. Compare the last errors below, and run ocigate doctor: it names the step that fails.",
			"No platform endpoint can be used.")
	}
	for i := range all {
		s.findEndpointProblems(&all[i], all, usable)
	}
}

func (s *Status) findEndpointProblems(e *Endpoint, all []Endpoint, usable int) {
	const checkAccount = "Check the user id and the password, and whether the account is locked or has expired. A new password in a file is used without a restart. Few attempts are made, because each may count against the account."
	switch {
	case e.State == AccountRefused:
		s.problem(Warning, sectionPlatform, checkAccount, "The platform refuses the account of the gateway at endpoint %s.", e.Name)
	case usable < 0: // reported for all together
	case e.State.fails() && e.Preferred:
		s.problem(Warning, sectionPlatform, "It is used again once it can be reached. Its last error is below.",
			"The preferred platform endpoint %s is down. Endpoint %s is used instead.", e.Name, all[usable].Name)
	case e.State.fails():
		s.problem(Warning, sectionPlatform, "There is less to fall back on. Its last error is below.", "Platform endpoint %s is down.", e.Name)
	case e.Slow:
		s.problem(Warning, sectionPlatform, "It is preferred again once it is no longer slow. See platform.pool.slow_factor.",
			"Platform endpoint %s answers far more slowly than another one, which is used instead if it can be.", e.Name)
	case e.NewSessionsFail:
		s.problem(Warning, sectionPlatform, "It still has sessions, which end by and by. Its last error is below.", "No new session can be made at platform endpoint %s.", e.Name)
	}
}

func (s *Status) findQueueProblems() {
	p := s.Platform
	const tooFew = "If this lasts, the platform is slow, or there are too few sessions: compare the latency below, and platform.pool.max with what the platform allows."
	switch {
	case p == nil || p.Waiting == 0:
	case p.Waiting >= p.WaitingMax:
		s.problem(Fault, sectionPlatform, tooFew, "The queue for sessions is full: %s, and others get 503.", count(p.Waiting, "request waits", "requests wait"))
	case p.SessionsBusy >= p.SessionsMax:
		s.problem(Warning, sectionPlatform, tooFew, "All %s with the platform are busy, and %s.", count(p.SessionsMax, "session", "sessions"), count(p.Waiting, "request waits", "requests wait"))
	}
}

func (s *Status) findWriteProblems() {
	if j := s.Journal; j != nil && !j.Usable {
		s.problem(Fault, sectionWrites, "Writes and logins get 503, and nothing of a write is sent; reads work. Correct the cause, such as a full disk or a database that does not run: the journal is used again without a restart.",
			"Writes are refused: the journal has been unusable for %s: %s.", span(s.At.Sub(j.UnusableSince)), j.Cause)
	}
	if s.Unknown == nil || s.Unknown.Count == 0 {
		return
	}
	age := s.At.Sub(s.Unknown.Oldest)
	blocked := 0
	for _, w := range s.Unknown.Newest {
		blocked += w.Blocked
	}
	text := count(s.Unknown.Count, "write has an unknown outcome", "writes have an unknown outcome")
	if s.Unknown.Count == 1 {
		text += " for " + span(age)
	} else {
		text += ", the oldest for " + span(age)
	}
	if blocked > 0 {
		text += "; " + count(blocked, "other write was refused because of that", "other writes were refused because of that")
	}
	if age < longUnknown {
		s.problem(Notice, sectionWrites, "Nothing to do: the platform is read until the outcome is proven. Other writes of the same entries get 409 until then.", "%s.", text)
		return
	}
	s.problem(Warning, sectionWrites, "The reason is below. If the platform cannot be read for long, check the entries there, and release them with ocigate operations release.", "%s.", text)
}

func (s *Status) findErrorProblems() {
	r := s.Requests
	if r == nil || r.Recent == 0 {
		return
	}
	most := r.RecentFailed >= fewOfMost && 2*r.RecentFailed > r.Recent
	if !most && (r.RecentFailed < fewFailed || float64(r.RecentFailed) < failedShare*float64(r.Recent)) {
		return
	}
	severity := Warning
	if most {
		severity = Fault
	}
	mostly := ""
	for _, e := range r.Errors {
		if e.Status >= 500 {
			mostly = ", mostly " + e.Name
			break
		}
	}
	s.problem(severity, sectionErrors, "The errors are below. The log has the cause of each, by its request id.",
		"%d%% of the requests of the last 5 minutes failed (%s of %s%s).", 100*r.RecentFailed/r.Recent, grouped(r.RecentFailed), grouped(r.Recent), mostly)
}

func (s *Status) findReloadProblems() {
	r := s.Reload
	if r == nil {
		return
	}
	if !r.Successful {
		cause := cmp.Or(r.Cause, "the log has the cause")
		s.problem(Warning, sectionReload, "The gateway goes on with what it had. Correct the file, check it with ocigate config check, and reload again.", "The last reload failed: %s.", cause)
	}
	if len(r.NeedRestart) > 0 {
		s.problem(Warning, sectionReload, "Restart this replica when it suits; with several replicas, one after the other.",
			"Changes of the configuration need a restart: %s.", bounded(strings.Join(r.NeedRestart, ", ")))
	}
}

func (s *Status) findCertificateProblems() {
	for _, c := range s.Certificates {
		left, name := c.NotAfter.Sub(s.At), nameOf(c)
		switch {
		case left >= soon:
			return // they are sorted
		case left >= 0:
			s.problem(Warning, sectionCertificates, renewal(c), "%s expires in %s.", name, span(left))
		case c.Use == string(gateway.UsePlatformCA):
			s.problem(Warning, sectionCertificates, renewal(c), "%s has expired, or one of several in its file.", name)
		default:
			s.problem(Fault, sectionCertificates, renewal(c), "%s expired %s ago.", name, span(-left))
		}
	}
}

// nameOf returns what a certificate is, for the beginning of a sentence.
func nameOf(c Certificate) string {
	switch gateway.CertificateUse(c.Use) {
	case gateway.UseAPI:
		return "The certificate of the API"
	case gateway.UsePlatformClient:
		return "The client certificate for platform endpoint " + c.PlatformEndpoint
	case gateway.UsePlatformCA:
		return "The authority for platform endpoint " + c.PlatformEndpoint
	}
	return "The certificate of platform endpoint " + c.PlatformEndpoint
}

func renewal(c Certificate) string {
	if c.Use == string(gateway.UsePlatformServer) {
		return "It is renewed by the operators of the platform."
	}
	return "Renew it: a new file is used without a restart."
}

func (s *Status) findOtherProblems() {
	if i := s.Issuer; i != nil && i.LastFetched.IsZero() {
		severity := Notice
		if i.Failed > 0 {
			severity = Fault
		}
		s.problem(severity, sectionCallers, "Its tokens get 503 until then. The log has the cause of failed fetches.", "The keys of the token issuer %s were not fetched yet (%s).", i.URL, count(i.Failed, "failure", "failures"))
	}
	if l := s.Log; l != nil && l.DroppedLastHour > 0 {
		s.problem(Warning, sectionLog, "The reader of the standard error output is too slow, or its disk is full.", "%s dropped in the last hour.", count(l.DroppedLastHour, "line of the log was", "lines of the log were"))
	}
}

// headline returns the heading of the page.
func (s *Status) headline() string {
	n := 0
	for _, p := range s.Problems {
		if p.Severity != Notice {
			n++
		}
	}
	switch n {
	case 0:
		return "All well"
	case 1:
		return "1 problem needs attention"
	}
	return strconv.Itoa(n) + " problems need attention"
}
