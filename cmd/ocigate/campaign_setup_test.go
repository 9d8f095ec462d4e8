//go:build linux

package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"

	"ocigate/oci/ocisim"
)

// The surroundings of a run of the campaign: the simulated platform with all entries, and
// the clients of the gateway.

// campaign is the state of one run.
type campaign struct {
	progress

	t        *testing.T
	plan     plan
	seed     uint64
	platform *ocisim.Server
	gateway  *gatewayProcess
	disk     *disk
	callers  []*caller
	setters  []*caller // callers who replace lists
	// transport is shared by all callers, as in a portal.
	transport *http.Transport

	kills, stops, reloads, fullDisks int            // numbers so far
	between                          map[string]int // numbers of kills between the steps of a write, by the names of killPoints
}

func newCampaign(t *testing.T, binary string, p plan, seed uint64) *campaign {
	t.Helper()
	a := &campaign{t: t, plan: p, seed: seed, disk: newDisk(t, p.diskBytes()), between: map[string]int{}}
	for i := range p.callers {
		a.callers = append(a.callers, newCaller(a, i))
	}
	for i := range p.setters {
		a.setters = append(a.setters, newSetter(a, i))
	}
	a.platform = ocisim.NewServer(a.platformSeed())
	t.Cleanup(func() { _ = a.platform.Close() }) // never fails
	a.gateway = newGatewayProcess(t, binary, gatewaySettings{
		platform: a.platform.Addr, settle: p.settle, journal: "folder: " + a.disk.folder("journal"),
	})
	a.transport = &http.Transport{MaxIdleConnsPerHost: p.callers}
	t.Cleanup(a.transport.CloseIdleConnections)
	return a
}

// random returns a separate source for each name, so that the random numbers of one user
// depend on the seed and not on the others.
func (a *campaign) random(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name) // a hash returns no errors
	return rand.New(rand.NewPCG(a.seed, h.Sum64()))
}

// The tenants of a campaign. Each has a client; a further client is for all tenants.
const (
	campaignTenants = 4
	campaignGroups  = 2 // of each tenant
	systemClient    = "everything"
	campaignSecret  = "secret-of-the-campaign"
)

func tenantName(i int) string { return fmt.Sprintf("tenant%d", i%campaignTenants) }

func groupName(i int) string { return fmt.Sprintf("group%d", i%campaignGroups) }

// platformSeed returns the seed of a platform with the entries of all callers, none of them
// assigned.
func (a *campaign) platformSeed() ocisim.Seed {
	seed := ocisim.Seed{
		Administrators: []ocisim.Administrator{{ID: "gateway", Password: "gateway-secret", Type: "System"}},
	}
	for i := range campaignTenants {
		tenant := ocisim.Tenant{ID: tenantName(i), Name: tenantName(i)}
		for g := range campaignGroups {
			tenant.Groups = append(tenant.Groups, ocisim.Group{ID: groupName(g), Name: groupName(g), UserLimit: 10, Services: []string{"Route List"}})
		}
		for _, c := range a.callers {
			for _, l := range c.lanes {
				if l.tenant != tenant.ID {
					continue
				}
				for _, e := range l.entries {
					if l.kind == prefixKind {
						tenant.Prefixes = append(tenant.Prefixes, ocisim.Prefix{Prefix: e})
					} else {
						tenant.Ranges = append(tenant.Ranges, ocisim.Range{Start: e, End: e[:len(e)-1] + "9"})
					}
				}
			}
		}
		for _, c := range a.setters {
			if c.lists[0].tenant == tenant.ID {
				c.addLists(&tenant)
			}
		}
		seed.Tenants = append(seed.Tenants, tenant)
	}
	return seed
}
