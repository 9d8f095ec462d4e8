package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"

	"ocigate/config"
)

// reloadPath is the path of a reload at the listener for operators.
const reloadPath = "/reload"

// reloadReport is the body of the response to a reload: what [Program.Reload] returns.
type reloadReport struct {
	Successful bool `json:"successful"`
	// Error has one problem on each line.
	Error string `json:"error,omitempty"`
	// Changed and NeedRestart are keys of the configuration.
	Changed     []string `json:"changed"`
	NeedRestart []string `json:"changed_but_needs_restart"`
}

// reloadHandler reloads the configuration. The status is 422 if the configuration is not
// valid, and then nothing has changed.
func (p *Program) reloadHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		did, err := p.Reload(commandTrigger)
		report := reloadReport{Successful: err == nil, Changed: did.changed, NeedRestart: did.needRestart}
		status := http.StatusOK
		if err != nil {
			report.Error, status = err.Error(), http.StatusUnprocessableEntity
		}
		answerAdmin(w, status, report)
	})
}

// adminCommand returns a handler for commands on the listener for operators, which has no
// credentials. It accepts requests of the clients of admin.commands, except those of pages
// in browsers: any page could send them from the operator's machine.
func (p *Program) adminCommand(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r) // it changes nothing
			return
		}
		if reason := p.refusesCommand(r); reason != "" {
			answerAdmin(w, http.StatusForbidden, failure{reason})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refusesCommand returns why a command is refused, or "".
func (p *Program) refusesCommand(r *http.Request) string {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return "commands are not accepted from browsers"
	}
	switch p.configOf().Admin.Commands {
	case config.CommandsAny:
		return ""
	case config.CommandsNone:
		return "commands are turned off: admin.commands is none"
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		return "commands are accepted only from this machine: admin.commands is loopback"
	}
	// A name of an attacker may resolve to this machine.
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if address, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !address.Unmap().IsLoopback()) {
		return "commands are accepted only at a loopback address or localhost: admin.commands is loopback"
	}
	return ""
}

// answerAdmin writes a response of the listener for operators as JSON.
func answerAdmin(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have disconnected
}
