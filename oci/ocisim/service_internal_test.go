package ocisim

import (
	"net"
	"slices"
	"strings"
	"testing"
)

// This file specifies what the platform does for any service: a second service is
// added here, as a file of the package would add it.

const counterName = "Counter"

// counterState counts the calls of its only command by tenant.
type counterState map[*tenant]int

func (s counterState) loadTenant(b *builder, where string, t *tenant, seed Tenant) {
	if s[t] = len(seed.Groups); len(seed.Groups) > 1 {
		b.problem(where+".groups", "too many to count")
	}
}

var counterService = &service{
	name: counterName,
	commands: []commandRow{{
		name: "GroupCounterModifyRequest", least: groupLevel, writes: true,
		schema: []particle{serviceProviderID, groupID, one("counted", token(1, 30))},
		do: func(c *call) ([]node, *refusal) {
			g, err := c.group()
			if err != nil {
				return nil, err
			}
			if !g.authorizes(counterName) {
				return nil, unauthorizedService(counterName, g)
			}
			c.state.services[counterName].(counterState)[g.tenant]++
			return nil, nil
		},
	}},
	numbers:  []string{"counted"},
	newState: func() serviceState { return counterState{} },
}

// withCounter adds the service to all platforms until the end of the test.
func withCounter(t *testing.T) {
	before := services
	services = append(slices.Clone(services), counterService)
	for i := range counterService.commands {
		row := &counterService.commands[i]
		commandTable[row.name] = row
		t.Cleanup(func() { delete(commandTable, row.name) })
	}
	t.Cleanup(func() { services = before })
}

func counterSeed(groups ...Group) Seed {
	return Seed{
		Administrators: []Administrator{{ID: "a", Password: "b", Type: "System"}},
		Tenants:        []Tenant{{ID: "t", Groups: groups}},
	}
}

func TestSecondService(t *testing.T) {
	withCounter(t)
	p, err := New(counterSeed(Group{ID: "g", Services: []string{counterName}}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }() // never fails
	near, far := net.Pipe()
	go p.ServeConn(far)
	defer func() { _ = near.Close() }()
	exchange := func(command string) string {
		t.Helper()
		document := `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="` + namespaceXSI + `"><sessionId xmlns="">s</sessionId>` + command + `</BroadsoftDocument>`
		if _, err := near.Write([]byte(document)); err != nil {
			t.Fatal(err)
		}
		reply := make([]byte, 1<<16)
		n, err := near.Read(reply)
		if err != nil {
			t.Fatal(err)
		}
		return string(reply[:n])
	}
	const group = `<serviceProviderId>t</serviceProviderId><groupId>g</groupId>`
	exchange(`<command xsi:type="LoginRequest22V5" xmlns=""><userId>a</userId><password>b</password></command>`)
	if got := exchange(`<command xsi:type="GroupCounterModifyRequest" xmlns="">` + group + `<counted>+32</counted></command>`); !strings.Contains(got, "SuccessResponse") {
		t.Errorf("replied %s", got)
	}
	p.mu.Lock()
	if got := p.state.services[counterName].(counterState)[p.state.tenant("t")]; got != 2 {
		t.Errorf("counted %d, want the group of the seed and the command", got)
	}
	p.mu.Unlock()
	if got := p.Writes(); len(got) != 1 || !got[0].Applied || !slices.Equal(got[0].Numbers, []string{"+32"}) {
		t.Errorf("the ledger has %+v", got)
	}
	got := exchange(`<command xsi:type="GroupServiceGetAuthorizationListRequest" xmlns="">` + group + `</command>`)
	if !strings.Contains(got, "<col>"+counterName+"</col><col>true</col>") || !strings.Contains(got, "<col>"+routeListName+"</col><col>false</col>") {
		t.Errorf("replied %s", got)
	}
}

func TestProblemsOfASecondService(t *testing.T) {
	withCounter(t)
	_, err := New(counterSeed(Group{ID: "g"}, Group{ID: "h"}))
	if err == nil || !strings.Contains(err.Error(), "tenants[0].groups: too many to count") {
		t.Errorf("%v", err)
	}
}

func TestUnauthorizedServiceIsNamed(t *testing.T) {
	g := &group{id: "g", tenant: &tenant{id: "t"}}
	if got, want := unauthorizedService(counterName, g).summary(), "[Error 9912] The service Counter is not authorized to the group: t:g"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
