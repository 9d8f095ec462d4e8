package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"ocigate/config"
)

// reloadPath is the path of a reload at the listener for operators.
const reloadPath = "/reload"

// reloadReport is the body of the response to a reload: what [Program.Reload] returns.
type reloadReport struct {
	Successful bool `json:"successful"`
	// Error has one problem on each line.
	Error string `json:"error,omitempty"`
	// Changed and NeedRestart are keys of the configuration; [] if there are none.
	Changed     []string `json:"changed"`
	NeedRestart []string `json:"changed_but_needs_restart"`
}

const (
	// maxReloadCommands is the number of commands that may reload the configuration at a
	// time. One of them does, and the others wait.
	maxReloadCommands = 4
	// reloadPatience is how long a command waits for its reload. It is shorter than
	// adminTimeout.
	reloadPatience = 45 * time.Second
)

// reloadHandler reloads the configuration. The status is 422 if the configuration is not
// valid, and then nothing has changed. It is 503 if too many commands wait already, or if
// the reload has not ended in time: a file system may block it for ever. Such a reload does
// not delay the end of the program.
func (p *Program) reloadHandler() http.Handler {
	running := make(chan struct{}, maxReloadCommands)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case running <- struct{}{}:
		default:
			answerAdmin(w, http.StatusServiceUnavailable, failure{"too many reloads are in progress: try again later; if none ends, a file of the configuration cannot be read"})
			return
		}
		ended := make(chan reloadReport, 1)
		go func() {
			defer func() { <-running }()
			did, err := p.Reload(commandTrigger)
			report := reloadReport{Successful: err == nil, Changed: append([]string{}, did.changed...), NeedRestart: append([]string{}, did.needRestart...)}
			if err != nil {
				report.Error = err.Error()
			}
			ended <- report
		}()
		p.answerReload(w, r, ended)
	})
}

// answerReload waits for a reload and writes the response to its command.
func (p *Program) answerReload(w http.ResponseWriter, r *http.Request, ended <-chan reloadReport) {
	patience := time.NewTimer(reloadPatience)
	defer patience.Stop()
	var late string
	select {
	case report := <-ended:
		status := http.StatusOK
		if !report.Successful {
			status = http.StatusUnprocessableEntity
		}
		answerAdmin(w, status, report)
		return
	case <-r.Context().Done():
		return // the client has disconnected
	case <-patience.C:
		late = "the reload has not ended within " + reloadPatience.String() + " and goes on; the log reports its end"
	case <-p.admin.over:
		late = "the gateway stops: the reload has not ended"
	}
	answerAdmin(w, http.StatusServiceUnavailable, failure{late})
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

// headersOfProxies are headers that proxies add. A request with one of them comes from
// elsewhere, though its connection comes from this machine.
var headersOfProxies = []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"}

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
	for _, name := range headersOfProxies {
		if _, present := r.Header[name]; present {
			return "commands are not accepted through a proxy (header " + name + "), since admin.commands is loopback"
		}
	}
	// A name of an attacker may resolve to this machine.
	host := strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]") // an IPv6 address without a port
	if name, _, err := net.SplitHostPort(r.Host); err == nil {
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
