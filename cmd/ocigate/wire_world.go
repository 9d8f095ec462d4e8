package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// world returns the data of a simulated platform on which the call succeeds, or that of
// --seed.
func (w *wireCall) world(body []byte) (ocisim.Seed, error) {
	if w.seed != "" {
		seed, err := readSeed(w.seed)
		seed.Platform.Release = w.release
		return seed, err
	}
	target := wireTarget{w.id("tenant_id"), w.id("group_id"), w.id("user_id")}
	var before, wanted wireEntries
	if w.before != "" {
		if err := json.Unmarshal([]byte(w.before), &before); err != nil {
			return ocisim.Seed{}, fmt.Errorf("--before: %w", err)
		}
	}
	// A body that is not valid is refused by the gateway, whatever the platform has.
	_ = json.Unmarshal(body, &wanted)
	removes := w.route.Method == http.MethodDelete || strings.HasSuffix(w.route.Path, "remove/")
	ownerBefore, ownerWanted := ocisim.Owner{Group: target.group, User: target.user}, ocisim.Owner{}
	if removes || target.user != "" {
		ownerWanted.Group = target.group // a user gets what the group has
	}
	if w.enterprise {
		ownerBefore.Group, ownerWanted.Group = "", ""
	}
	seed := target.seed(w.enterprise)
	seed.Platform.Release = w.release
	filled := before.addTo(wanted.without(before).addTo(seed, ownerWanted), ownerBefore)
	platform, err := ocisim.New(filled)
	if err == nil {
		return filled, platform.Close()
	}
	if w.before != "" {
		return ocisim.Seed{}, fmt.Errorf("--before or --body: %w", err)
	}
	platform, err = ocisim.New(seed)
	if err != nil {
		return ocisim.Seed{}, err
	}
	return seed, platform.Close() // the gateway refuses what no platform can have
}

// id returns the value of a parameter of the path, "" if the path has none of that name.
func (w *wireCall) id(name string) string {
	if value := w.ids[name]; value != nil {
		return *value
	}
	return ""
}

// wireTarget are the ids in the path of a call.
type wireTarget struct{ tenant, group, user string }

// seed returns a platform that has the target, and nothing else.
func (t wireTarget) seed(enterprise bool) ocisim.Seed {
	const service = "Route List"
	tenant := ocisim.Tenant{ID: t.tenant, Name: t.tenant, Enterprise: enterprise, Services: []string{service}}
	if t.group != "" {
		group := ocisim.Group{ID: t.group, Name: t.group, UserLimit: 25, Services: []string{service}}
		if t.user != "" {
			group.Users = []ocisim.User{{ID: t.user, LastName: "last", FirstName: "first", Services: []string{service}}}
		}
		tenant.Groups = []ocisim.Group{group}
	}
	return ocisim.Seed{
		Administrators: []ocisim.Administrator{{ID: wireAccount, Password: wireAccount, Type: "Provisioning"}},
		Tenants:        []ocisim.Tenant{tenant},
	}
}

// wireAccount is the account of the gateway on the simulated platform, and its password.
const wireAccount = "gateway"

// wireEntries are the entries of a body.
type wireEntries struct {
	Numbers []struct {
		Min string `json:"minPhoneNumber"`
		Max string `json:"maxPhoneNumber"`
	} `json:"numbers"`
	Prefixes []struct {
		Prefix string `json:"prefix"`
	} `json:"prefixes"`
}

// without returns the entries that are not among others.
func (e wireEntries) without(others wireEntries) wireEntries {
	known := map[string]bool{}
	for _, n := range others.Numbers {
		known[n.Min] = true
	}
	for _, p := range others.Prefixes {
		known["p"+p.Prefix] = true
	}
	var left wireEntries
	for _, n := range e.Numbers {
		if !known[n.Min] {
			left.Numbers = append(left.Numbers, n)
		}
	}
	for _, p := range e.Prefixes {
		if !known["p"+p.Prefix] {
			left.Prefixes = append(left.Prefixes, p)
		}
	}
	return left
}

// addTo returns a seed whose tenant has the entries, too.
func (e wireEntries) addTo(seed ocisim.Seed, owner ocisim.Owner) ocisim.Seed {
	tenant := seed.Tenants[0]
	for _, n := range e.Numbers {
		end := n.Max
		if end == "" {
			end = n.Min
		}
		tenant.Ranges = append(tenant.Ranges, ocisim.Range{Start: n.Min, End: end, Owner: owner})
	}
	for _, p := range e.Prefixes {
		tenant.Prefixes = append(tenant.Prefixes, ocisim.Prefix{Prefix: p.Prefix, Owner: owner})
	}
	seed.Tenants = []ocisim.Tenant{tenant}
	return seed
}

// exchange makes the call of a gateway in front of a simulated platform, both in this
// process and without a listener. settings are those of the configuration.
func (w *wireCall) exchange(ctx context.Context, seed ocisim.Seed, settings config.Config, target string, body []byte) (_ *wireResponse, err error) {
	account, password := wireAccount, ocisim.Password(wireAccount)
	if w.seed != "" {
		if account, password, err = accountIn(seed); err != nil {
			return nil, err
		}
	}
	platform, err := ocisim.New(seed)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, platform.Close()) }()
	folder, err := os.MkdirTemp("", "ocigate-wire-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	c, err := demoConfig(&demo{}, "simulated.invalid:2208", folder)
	if err != nil {
		return nil, err
	}
	c.Platform.Encoding, c.Platform.SendEcho, c.Platform.SendTracking = settings.Platform.Encoding, settings.Platform.SendEcho, settings.Platform.SendTracking
	c.Platform.UserID, c.Platform.Password = account, config.NewSecret(string(password))
	c.API = settings.API
	c.API.WireTrace = true
	program, err := NewProgram(c, slog.New(slog.DiscardHandler), func(p *parts) {
		p.platform.Dial, p.platform.Release = platform.Dial, oci.Release(w.release)
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, program.end(ctx))
	}()
	return w.call(ctx, program.api.handler, target, body)
}

// accountIn returns an account of a seed with which a gateway can do everything.
func accountIn(seed ocisim.Seed) (id string, password ocisim.Password, err error) {
	for _, a := range seed.Administrators {
		if (a.Type == "Provisioning" || a.Type == "System") && a.Condition == (ocisim.Condition{}) && a.Password != "" {
			return a.ID, a.Password, nil
		}
	}
	return "", "", errors.New("--seed: there is no administrator of type System or Provisioning with a password")
}

// call makes the call of a gateway as a System Admin.
func (w *wireCall) call(ctx context.Context, handler http.Handler, target string, body []byte) (*wireResponse, error) {
	request, err := http.NewRequestWithContext(ctx, w.route.Method, "http://gateway.invalid"+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.RequestURI, request.RemoteAddr = request.URL.RequestURI(), "127.0.0.1:0"
	request.SetBasicAuth(demoClients[0].ID, demoSecret)
	request.Header.Set(gateway.HeaderWire, "return")
	if len(body) > 0 {
		request.Header.Set("Content-Type", jsonType)
	}
	response := &memoryResponse{header: http.Header{}}
	handler.ServeHTTP(response, request)
	got := &wireResponse{status: response.status}
	if response.header.Get("Content-Type") != gateway.WireMedia {
		got.Response = response.body.Bytes() // refused before the header was read
		return got, nil
	}
	return got, json.Unmarshal(response.body.Bytes(), got)
}

// memoryResponse is a response in memory.
type memoryResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *memoryResponse) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *memoryResponse) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *memoryResponse) Write(p []byte) (int, error) { return r.body.Write(p) }
