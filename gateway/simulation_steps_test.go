package gateway_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// Writes of several steps in the simulation: callers that set a complete list, and faults
// between the steps of such a write.

// stepMinimums are how often each event of writes with several steps must happen in
// simulationSeeds runs.
var stepMinimums = map[string]int{
	"steps: both were sent": 20, "steps: the first was no success": 40, "steps: the second was no success": 2,
	"steps: the second was never sent": 6, "steps: killed between two": 2, "steps: killed in flight": 6, "steps: a full disk between two": 2,
	"steps: one alone was needed": 25, "steps: none was needed": 2,
	"steps: the set was partly done": 25, "steps: the first stayed done without the second": 12,
	"set: responded 200": 40, "set: responded 207, partly_done": 15, "set: responded 207, unknown": 2, "set: a 207 was replayed": 8,
	"set: the condition held": 20, "set: the condition failed": 30, "set: a dry run": 15,
}

// sentWrite is a writing command that was written to a socket.
type sentWrite struct {
	request string
	command string
	names   []string
	at      time.Duration
}

// assigns reports whether a command assigns entries to a group, and does not remove them.
func assigns(command string) bool { return !strings.Contains(command, "Unassign") }

// kindOf returns the kind of the entries of a command.
func kindOf(command string) string {
	if strings.Contains(command, "NumberPrefix") {
		return "prefixes"
	}
	return "numbers"
}

var (
	isWrite     = regexp.MustCompile(`xsi:type="([A-Za-z0-9]*ssignListRequest)"`)
	writtenName = regexp.MustCompile(`<(?:numberRangeStart|numberPrefix)[^>]*>([^<]*)<`)
)

// writeOf returns the writing command of a document, and whether there is one.
func writeOf(document []byte) (sentWrite, bool) {
	id, command := trackingElement.FindSubmatch(document), isWrite.FindSubmatch(document)
	if id == nil || command == nil {
		return sentWrite{}, false
	}
	h := sentWrite{request: string(id[1]), command: string(command[1])}
	for _, name := range writtenName.FindAllSubmatch(document, -1) {
		h.names = append(h.names, nameOf(string(name[1])))
	}
	return h, true
}

// noteSent notes a command that is written to a socket, and may disturb it if it is a
// step of a request that sets a list.
func (s *simulation) noteSent(w *link, h sentWrite) {
	h.at = s.now()
	s.mu.Lock()
	s.sent[h.request] = append(s.sent[h.request], h)
	isStep, commands := s.requestOf(h.request).setsList(), map[string]bool{}
	for _, one := range s.sent[h.request] {
		commands[one.command] = true
	}
	step, intended := len(commands), s.intents[h.request]
	s.mu.Unlock()
	if intended < step {
		s.failf("%s sends its step %d, and intents of %d steps are recorded", h.request, step, intended)
	}
	if isStep && s.faultsAllowed() {
		s.disturbStep(w, h, step)
	}
}

// noteIntent notes an intent that is recorded.
func (s *simulation) noteIntent(op operation.Operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intents[op.Caller.RequestID] = op.Step
}

// requestOf returns the request with an id. During a run, the caller must hold s.mu.
func (s *simulation) requestOf(request string) simRequest {
	for _, ex := range s.exchanges {
		if ex.id == request {
			return ex.request
		}
	}
	return simRequest{}
}

// disturbStep may disturb a step: its gateway is killed, or the platform has a fault.
func (s *simulation) disturbStep(w *link, h sentWrite, step int) {
	switch w.dice.below(12 / step) {
	case 0:
		if w.process.number < maxProcesses {
			s.count("steps: killed in flight")
			w.process.kill("with a step in flight")
		}
	case 1, 2:
		s.injectForStep(ocisim.Fault{Kind: pick(w.dice, []ocisim.FaultKind{
			ocisim.ErrorBeforeApply, ocisim.ErrorBeforeApply, ocisim.ErrorAfterApply, ocisim.DropBeforeApply, ocisim.DropAfterApply,
			ocisim.Stall, ocisim.StallAfterApply, ocisim.HalfReply, ocisim.LoseLogin, ocisim.ForcedLogout,
		}), Command: h.command, Times: 1})
	}
}

// stepFaults are the faults that were injected for steps.
type stepFaults struct {
	mu       sync.Mutex // guards injected
	injected []*ocisim.Injection
}

func (s *simulation) injectForStep(fault ocisim.Fault) {
	s.steps.mu.Lock()
	defer s.steps.mu.Unlock()
	if !s.faultsAllowed() {
		return
	}
	injection, err := s.platform.Inject(fault)
	must(s.t, err)
	s.logf("fault for a step: %s", fault)
	s.steps.injected = append(s.steps.injected, injection)
}

// endStepFaults removes these faults.
func (s *simulation) endStepFaults() {
	s.steps.mu.Lock()
	defer s.steps.mu.Unlock()
	for _, injection := range s.steps.injected {
		injection.Remove()
	}
}

// disturbIntent may disturb the recording of the intent of a further step: the gateway is
// killed before, in or after it, or the disk is full.
func (d *disk) disturbIntent() {
	s := d.gateway.sim
	if !s.faultsAllowed() {
		return
	}
	switch d.dice.below(6) {
	case 0, 1:
		if d.gateway.number < maxProcesses {
			d.mu.Lock()
			d.until = 1
			d.mu.Unlock()
		}
	case 2, 3:
		s.count("steps: a full disk between two")
		s.logf("the disk is full between two steps")
		s.diskFull.Store(true)
		time.AfterFunc(d.dice.upTo(6*time.Second), func() { s.diskFull.Store(false) })
	}
}

// passReplies passes the replies of the platform, and notes each success once the gateway
// has read it.
func (w *link) passReplies() {
	const end = "</BroadsoftDocument>"
	var pending []byte
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.platformEnd.Read(buffer)
		if n > 0 {
			if passed, failed := w.gatewayEnd.Write(buffer[:n]); passed < n || failed != nil {
				return
			}
		}
		pending = append(pending, buffer[:n]...)
		for {
			document, rest, whole := bytes.Cut(pending, []byte(end))
			if !whole {
				break
			}
			w.network.sim.noteReply(document)
			pending = bytes.Clone(rest)
		}
		if err != nil {
			return
		}
	}
}

// noteReply notes a document that the gateway has read.
func (s *simulation) noteReply(document []byte) {
	id := trackingElement.FindSubmatch(document)
	if id == nil || !bytes.Contains(document, []byte(`SuccessResponse"`)) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.successes[string(id[1])] = append(s.successes[string(id[1])], s.now())
}

func (h sentWrite) String() string { return fmt.Sprintf("%s %v at %v", h.command, h.names, h.at) }
