package gateway_test

import (
	"time"

	"ocigate/oci/ocisim"
)

// The faults of the platform, its endpoints and the disk.

// endFaults ends all faults, and waits until a gateway runs.
func (s *simulation) endFaults() {
	s.logf("all faults end")
	close(s.recovered)
	s.endStepFaults()
	s.diskFull.Store(false)
	s.network.setDown("node1", false)
	s.network.setDown("node2", false)
	for {
		g := s.current()
		g.disk.mu.Lock()
		g.disk.until = 0
		g.disk.mu.Unlock()
		if !g.isKilled() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// injectFaults injects faults until over is closed.
func (s *simulation) injectFaults(d *dice, over <-chan struct{}) {
	injected := map[*ocisim.Injection]ocisim.FaultKind{}
	defer func() {
		for i, kind := range injected {
			i.Remove()
			s.counts.add("fault "+string(kind), i.Hits())
		}
	}()
	sleep := func(limit time.Duration) bool {
		select {
		case <-over:
			return false
		case <-time.After(d.upTo(limit)):
			return true
		}
	}
	for sleep(s.pace) {
		switch d.below(40) {
		case 0:
			s.count("restart")
			s.logf("the platform restarts")
			s.platform.Restart()
		case 1:
			endpoint := pick(d, []string{"node1", "node2"})
			s.count("outage")
			s.logf("%s goes down", endpoint)
			s.network.setDown(endpoint, true)
			sleep(15 * time.Second)
			s.network.setDown(endpoint, false)
			s.logf("%s is back", endpoint)
		case 2:
			s.count("outage")
			s.logf("both endpoints go down")
			s.network.setDown("node1", true)
			s.network.setDown("node2", true)
			sleep(10 * time.Second)
			s.network.setDown("node1", false)
			s.network.setDown("node2", false)
			s.logf("both endpoints are back")
		case 3:
			s.logf("the disk is full")
			s.diskFull.Store(true)
			sleep(6 * time.Second)
			s.diskFull.Store(false)
			s.logf("the disk has room again")
		case 4:
			if g := s.current(); g.number < maxProcesses {
				g.kill("while it was at work")
			}
		default:
			fault := s.fault(d)
			i, err := s.platform.Inject(fault)
			must(s.t, err)
			if fault.Kind == ocisim.ApplyLate {
				s.waits = i
			}
			s.logf("fault: %s", fault)
			injected[i] = fault.Kind
		}
	}
}

// fault returns a random fault that happens once.
func (s *simulation) fault(d *dice) ocisim.Fault {
	const writes, verify = "*ssignListRequest", "VerifySessionIsValidRequest"
	fault := ocisim.Fault{Kind: pick(d, ocisim.FaultKinds()).Kind, Times: 1}
	if d.oneIn(4) { // those with the hardest outcomes to find out
		fault.Kind = pick(d, []ocisim.FaultKind{ocisim.ErrorAfterApply, ocisim.StallAfterApply, ocisim.DropAfterApply, ocisim.ApplyLate})
	}
	switch fault.Kind {
	case ocisim.Refuse, ocisim.StallConnection, ocisim.ExpiredPassword:
		return fault
	}
	fault.Command = pick(d, []string{
		writes, writes, writes, writes, writes, writes,
		"*SummaryListRequest", "ServiceProvider*AvailableListRequest", "ServiceProviderGetRequest17sp1",
		"GroupServiceGetAuthorizationRequest", verify, "AuthenticationRequest", "LoginRequest14sp4",
	})
	switch fault.Kind {
	case ocisim.HugeTable:
		fault.Rows = 20
	case ocisim.ApplyLate:
		if s.waits != nil && s.waits.Hits() == 0 {
			fault.Kind = ocisim.Stall // otherwise two delays would add up
			break
		}
		fault.Command, fault.Delay = writes, time.Second+d.upTo(17*time.Second)
		if s.late {
			fault.Delay = 50*time.Second + d.upTo(50*time.Second)
		}
	case ocisim.Slow:
		fault.Delay = d.upTo(15 * time.Second)
	case ocisim.ErrorBeforeApply, ocisim.ErrorAfterApply:
		if fault.Command == verify {
			fault.Number = 9900 // not logged in: the platform rejects this command for no other reason
		}
		if d.oneIn(3) && fault.Command == writes {
			fault.Severity = pick(d, []string{"Warning", "Info"})
		}
	}
	return fault
}
