package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	trunking "ocigate/translate/itc"
)

// The names of the checks of an endpoint, in their order.
const (
	nameDNS     = "dns"
	nameTCP     = "tcp"
	nameTLS     = "tls"
	nameLogin   = "login"
	nameRights  = "rights"
	nameRelease = "release"
	nameRead    = "read"

	// nameAdmins is only in the report if it fails.
	nameAdmins = "administrators"
)

// endpointChecks are the checks of an endpoint, in their order, with their exit codes.
var endpointChecks = []check{
	{Name: nameDNS, code: exitDNS}, {Name: nameTCP, code: exitTCP}, {Name: nameTLS, code: exitTLS},
	{Name: nameLogin, code: exitLogin}, {Name: nameRights, code: exitRights}, {Name: nameRelease, code: exitReply}, {Name: nameRead, code: exitReply},
}

// endpointDoctor examines one endpoint.
type endpointDoctor struct {
	*doctor

	index int    // of the endpoint in the configuration
	key   string // likewise
	at    oci.Endpoint
	host  string
	done  map[string]bool // checks that are in the report, by name
	reads []translate.Question
	read  int  // reads that are done
	lacks bool // whether the account's type has too few rights
}

// checkEndpoint makes the checks of the endpoint with that index.
func (d *doctor) checkEndpoint(ctx context.Context, index int) {
	x := &endpointDoctor{
		doctor: d, index: index, key: fmt.Sprintf("platform.endpoints[%d]", index), at: d.parts.platform.Endpoints[index],
		done: map[string]bool{}, reads: d.questions(),
	}
	x.host = hostOf(x.at.Address)
	o := oci.DiagnoseOptions{Resolver: d.machine.resolver}
	refusedAt, refused := d.refused[x.at.UserID]
	o.SkipLogin = refused
	for _, q := range x.reads {
		o.Reads = append(o.Reads, q.Command(d.target()))
	}
	if d.config.Auth.CheckAdmins {
		o.Reads = append(o.Reads, gateway.AdministratorRead(x.at.UserID)) // the account's own profile
	}
	findings, err := oci.Diagnose(ctx, d.parts.platform, index, o)
	if err != nil { // the configuration was checked
		x.report.fail(x.check(nameDNS), 0, onOneLine(err), "correct the configuration")
		return
	}
	why := "the step before it was not made"
	for f := range findings {
		if ctx.Err() != nil {
			return
		}
		x.reportFinding(f)
		if f.Err != nil {
			why = stageNames[f.Stage] + " failed"
		}
	}
	if refused {
		why = fmt.Sprintf("no login: the platform has refused the account %q at the endpoint %s, and each refusal may count against it", x.at.UserID, refusedAt)
	}
	for _, c := range endpointChecks {
		c.Of = x.at.Name
		switch {
		case x.done[c.Name]:
		case c.Name == nameRead && d.tenant == "":
			x.report.skip(c, "no tenant was given; --tenant reads one")
		default:
			x.report.skip(c, why)
		}
	}
}

// questions returns the questions that are read: those that the gateway asks before a
// request about the target.
func (d *doctor) questions() []translate.Question {
	switch {
	case d.tenant == "":
		return nil
	case d.group == "":
		return []translate.Question{translate.TenantMode()}
	}
	return []translate.Question{translate.TenantMode(), trunking.RouteList.AuthorizedToGroup()}
}

// check returns the check of that name, which will be in the report.
func (x *endpointDoctor) check(name string) check {
	for _, c := range endpointChecks {
		if c.Name == name {
			c.Of = x.at.Name
			x.done[name] = true
			return c
		}
	}
	panic("no check " + name)
}

// stageNames has the steps as texts name them.
var stageNames = map[oci.Stage]string{
	oci.StageDNS: "DNS", oci.StageDial: "TCP", oci.StageTLS: "TLS", oci.StageLogin: "the login",
	oci.StageVersion: "the question for the version", oci.StageRead: "the read",
}

// reportFinding adds the checks of one finding.
func (x *endpointDoctor) reportFinding(f oci.Finding) {
	switch f.Stage {
	case oci.StageDNS:
		x.reportDNS(f)
	case oci.StageDial:
		x.reportTCP(f)
	case oci.StageTLS:
		x.reportTLS(f)
	case oci.StageLogin:
		x.reportLogin(f)
	case oci.StageVersion:
		x.reportRelease(f)
	case oci.StageRead:
		if x.read == len(x.reads) {
			x.reportAdministrators(f)
		} else {
			x.reportRead(f)
		}
	}
}

func (x *endpointDoctor) reportDNS(f oci.Finding) {
	c := x.check(nameDNS)
	c.Tried = "look up " + x.host
	switch {
	case f.Numeric:
		x.report.skip(c, x.host+" is an IP address")
	case f.Err != nil:
		cause, do := x.explainDNS(f.Err)
		x.report.fail(c, f.Took, cause, do)
	default:
		x.report.ok(c, f.Took, strings.Join(f.Addresses, ", "))
	}
}

func (x *endpointDoctor) reportTCP(f oci.Finding) {
	c := x.check(nameTCP)
	c.Tried = "connect to " + x.at.Address
	switch {
	case f.Err != nil:
		cause, do := x.explainTCP(f.Err)
		x.report.fail(c, f.Took, cause, do)
	case len(f.Unreachable) > 0:
		var texts []string
		for _, one := range f.Unreachable {
			texts = append(texts, one.Remote+": "+one.Err.Error())
		}
		x.report.note(c, f.Took, fmt.Sprintf("connected to %s, but not to every address of the name: %s", f.Remote, strings.Join(texts, "; ")),
			"each new connection may lose time at such an address: remove it from DNS, or make the platform listen there")
	default:
		x.report.ok(c, f.Took, "connected to "+f.Remote)
	}
}

func (x *endpointDoctor) reportTLS(f oci.Finding) {
	c := x.check(nameTLS)
	c.Tried = "TLS handshake, for a certificate of the name " + f.ServerName
	switch {
	case f.Plain && f.Err == nil:
		x.report.skip(c, x.place(x.key+".tls.enabled")+" is false")
	case f.Err != nil:
		if f.Plain {
			c.Tried = "exchange documents without TLS"
		}
		cause, do := x.explainTLS(f)
		x.report.fail(c, f.Took, cause, do)
	default:
		first := firstOf(f.Chain)
		found := fmt.Sprintf("%s, certificate of %s issued by %s, the chain of %d is valid until %s",
			tls.VersionName(f.TLSVersion), subjectOf(f.Chain[0]), issuerOf(f.Chain[0]), len(f.Chain), date(first.NotAfter))
		if left := time.Until(first.NotAfter); left < soon {
			x.report.note(c, f.Took, fmt.Sprintf("%s; the certificate of %s expires in %s", found, subjectOf(first), daysOrHours(left)), "have it renewed in time: no session can be made after that")
			return
		}
		x.report.ok(c, f.Took, found)
	}
}

// firstOf returns the certificate of a chain that expires first.
func firstOf(chain []*x509.Certificate) *x509.Certificate {
	return (&certificateFile{list: chain}).firstToExpire()
}

func (x *endpointDoctor) reportLogin(f oci.Finding) {
	c := x.check(nameLogin)
	c.Tried = fmt.Sprintf("log in as %q", x.at.UserID)
	if f.Err != nil {
		cause, do, code := x.explainLogin(f)
		c.code = code
		if f.Refused {
			x.refused[x.at.UserID] = x.at.Name
		}
		x.report.fail(c, f.Took, cause, do)
		return
	}
	who := f.Identity
	found := fmt.Sprintf("%q is logged in", who.UserID)
	if days := who.PasswordExpiresDays; days != nil && *days <= int(soon/(24*time.Hour)) {
		x.report.note(c, f.Took, fmt.Sprintf("%s; the password expires in %d days", found, *days),
			"change it on the platform and in "+x.place(x.passwordKey())+" before: after that the platform refuses every login")
	} else {
		x.report.ok(c, f.Took, found)
	}
	x.reportRights(who)
}

// reportRights adds the check of the account's type.
func (x *endpointDoctor) reportRights(who oci.Identity) {
	c := x.check(nameRights)
	c.Tried = "type of the account in the reply to the login"
	scopes := who.LoginType
	if who.ServiceProviderID != "" {
		scopes += strings.TrimSuffix(" of "+who.ServiceProviderID+"/"+who.GroupID, "/")
	}
	if lacks := translate.AccountLacks(who.LoginType); lacks != "" {
		x.lacks = true
		x.report.fail(c, 0, fmt.Sprintf("the account has the type %s, which lacks %s", scopes, lacks), accountRequired)
		return
	}
	x.report.ok(c, 0, scopes+", which has the rights that the gateway needs")
}

// reportAdministrators adds a check if the platform refuses to report what it restricts an
// administrator to. If the account has too few rights in any case, that is reported alone.
func (x *endpointDoctor) reportAdministrators(f oci.Finding) {
	if f.Err != nil || x.lacks {
		return
	}
	refusal, refused := errors.AsType[*oci.ErrorReply](f.Reply.Err())
	if !refused {
		return
	}
	c := check{Name: nameAdmins, Of: x.at.Name, Tried: fmt.Sprintf("read the administrator %q, which is the account itself", x.at.UserID), code: exitRights}
	x.report.fail(c, f.Took, "the platform refuses it: "+refusalText(refusal)+". So each administrator of the system or of a tenant gets 503 when they log in",
		"give the account the right to read administrators, or set auth.check_admins to false: then they have all rights of their level")
}

// configured returns the endpoint in the configuration.
func (x *endpointDoctor) configured() config.Endpoint { return x.config.Platform.Endpoints[x.index] }

// passwordKey returns the key of the password of the endpoint's account.
func (x *endpointDoctor) passwordKey() string {
	if x.configured().Password.IsSet() {
		return x.key + ".password"
	}
	return "platform.password"
}

// userKey returns the key of the user id of the endpoint's account.
func (x *endpointDoctor) userKey() string {
	if x.configured().UserID != "" {
		return x.key + ".user_id"
	}
	return "platform.user_id"
}

func (x *endpointDoctor) reportRelease(f oci.Finding) {
	c := x.check(nameRelease)
	c.Tried = "ask for the version"
	if f.Err != nil {
		cause, do := explainSilence(f.Err)
		x.report.fail(c, f.Took, cause, do)
		return
	}
	var backs []string
	for _, b := range f.Dialect.Fallbacks {
		backs = append(backs, strings.ReplaceAll(b.Feature, "_", " ")+": "+b.Use)
	}
	used := "everything in its newest form"
	if len(backs) > 0 {
		used = "fall-backs: " + strings.Join(backs, ", ")
	}
	set := f.Dialect.Release
	switch {
	case f.Dialect.Set && f.ReportedRelease == oci.ReleaseUnknown:
		x.report.ok(c, f.Took, fmt.Sprintf("platform.release sets %d, and the platform does not report its version; %s", set, used))
	case f.Dialect.Set && f.ReportedRelease < set:
		x.report.fail(c, f.Took, fmt.Sprintf("%s is %d, but the platform reports the version %q, which is release %d: it refuses commands that came later", x.place("platform.release"), set, f.Reported, f.ReportedRelease),
			"set platform.release to auto, or to the platform's release")
	case f.Dialect.Set && f.ReportedRelease > set:
		x.report.note(c, f.Took, fmt.Sprintf("%s is %d, but the platform reports the version %q, which is release %d; %s", x.place("platform.release"), set, f.Reported, f.ReportedRelease, used),
			"set platform.release to auto, to use what the platform supports")
	case set == oci.ReleaseUnknown:
		x.report.note(c, f.Took, "the platform does not report a version with a release; each command is tried in its newest form first, and optional elements are left out; "+used,
			"set platform.release, if you know it")
	default:
		x.report.ok(c, f.Took, fmt.Sprintf("version %q, release %d; %s", f.Reported, set, used))
	}
}

func (x *endpointDoctor) reportRead(f oci.Finding) {
	question := x.reads[x.read]
	x.read++
	c := x.check(nameRead)
	c.Tried = "read tenant " + x.tenant
	if x.read > 1 {
		c.Tried = fmt.Sprintf("read whether group %s has the service %q", x.group, string(trunking.RouteList))
	}
	if f.Err != nil {
		cause, do := explainSilence(f.Err)
		x.report.fail(c, f.Took, cause, do)
		return
	}
	fact, err := "", x.parts.errors.ReadResult(f.Reply, x.tenant, x.group)
	if err == nil {
		fact, err = question.Check(f.Reply)
	}
	refusal, refused := errors.AsType[*oci.ErrorReply](f.Reply.Err())
	switch {
	case err == nil:
		x.report.ok(c, f.Took, cmp.Or(fact, "it has"))
	case refused:
		if refusal.Number == unauthorizedTransaction {
			c.code = exitRights
		}
		cause, do := x.explainRefusal(refusal, err)
		x.report.fail(c, f.Took, cause, do)
	default:
		do := "see the log of the platform"
		if failed, ok := errors.AsType[*errcode.Error](err); ok {
			do = fmt.Sprintf("callers get the error %s: %s", failed.Code.Name, failed.Code.Help)
		}
		x.report.fail(c, f.Took, onOneLine(err), do)
	}
}

// unauthorizedTransaction is the platform's number for a command for which the account
// does not have the rights.
const unauthorizedTransaction = 5404
