//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// endTag ends a document of either side.
var endTag = []byte("</BroadsoftDocument>")

// platform is a scripted OCI-P platform. The complete one of package ocisim would use most of
// the machine. This one searches only for the parts of a request that it needs, and has its
// tables prepared. It only serves clients that write well-formed documents.
type platform struct {
	service  time.Duration // from a document to its reply
	due      chan delivery // used unless service is 0
	tables   sync.Map      // bytes of a table by its number of rows
	record   string        // file for the first document with nothing but a read of numbers; empty for none
	recorded atomic.Bool

	delivered, spent atomic.Int64 // number of replies, and their service time in nanoseconds
}

type delivery struct {
	to       net.Conn
	document []byte
	asked    time.Time
}

func newPlatform(service time.Duration, record string) *platform {
	return &platform{service: service, record: record, due: make(chan delivery, 1024)}
}

// platformRole serves a platform with that service time, which records in that file unless
// the name is empty. It answers each line with its mean service time in nanoseconds.
func platformRole(arguments []string, in io.Reader, out io.Writer) error {
	service, err := time.ParseDuration(arguments[0])
	if err != nil {
		return err
	}
	p := newPlatform(service, arguments[1])
	go p.deliver()
	address, err := listen(p.serve)
	if err != nil {
		return err
	}
	return beRole(in, out, address, func(string) (string, error) {
		return strconv.FormatInt(p.spent.Load()/max(1, p.delivered.Load()), 10), nil
	})
}

// serve serves the connections of a listener until it is closed.
func (p *platform) serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			if err := p.session(conn); err != nil {
				fmt.Fprintln(os.Stderr, "bench: platform:", err)
			}
		}()
	}
}

// session answers documents until the client disconnects.
func (p *platform) session(conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	var from io.Reader = conn
	arrived := time.Now
	if p.service > 0 {
		stamped, err := newStamped(conn)
		if err != nil {
			return err
		}
		from, arrived = stamped, func() time.Time { return stamped.last }
	}
	var request, answer []byte
	for {
		var err error
		if request, err = readDocument(from, request); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
				return nil
			}
			return err
		}
		if err := p.note(request); err != nil {
			return err
		}
		if p.service > 0 {
			p.due <- delivery{conn, p.answer(nil, request), arrived()}
			continue
		}
		answer = p.answer(answer[:0], request)
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}

// readDocument reads until an end tag. Only white space can follow it, because clients wait
// for the reply before they send the next document.
func readDocument(from io.Reader, into []byte) ([]byte, error) {
	into = slices.Grow(into[:0], 4096)
	into = into[:cap(into)]
	for n := 0; ; {
		read, err := from.Read(into[n:])
		if err != nil {
			return nil, err
		}
		n += read
		if bytes.HasSuffix(bytes.TrimRight(into[:n], "\n"), endTag) {
			return into[:n], nil
		}
		if n == len(into) {
			into = append(into, make([]byte, len(into))...)
		}
	}
}

// deliver sends replies when they are due. They are due in the order of the requests, because
// the service time is the same for all. A separate thread sleeps in the kernel with the least
// timer slack, because a timer of Go's runtime may be late by a millisecond in an idle
// process. The kernel is also late, but by less; the thread asks to be woken earlier by the
// usual delay.
func (p *platform) deliver() {
	runtime.LockOSThread()
	const setTimerSlack = 29 // PR_SET_TIMERSLACK
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, 1, 0)
	var late time.Duration // the usual delay
	for d := range p.due {
		due := d.asked.Add(p.service)
		for left := time.Until(due) - late; left > 0; left = time.Until(due) - late {
			rest := syscall.NsecToTimespec(left.Nanoseconds())
			_ = syscall.Nanosleep(&rest, nil) // a signal may end it early
		}
		late = max(0, late+time.Since(due)/16)
		p.spent.Add(int64(time.Since(d.asked)))
		p.delivered.Add(1)
		_, _ = d.to.Write(d.document) // its session detects a disconnected client
	}
}

const (
	numbersCommand = "GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"
	numbersTable   = "numberRangeSummaryTable"
)

// scripted holds the replies that do not depend on the request.
var scripted = map[string]string{
	"LoginRequest14sp4":                   "<loginType>System</loginType><locale>en_US</locale><encoding>ISO-8859-1</encoding><isEnterprise>false</isEnterprise><userDomain>example.com</userDomain>",
	"SystemAdminGetRequest":               "<language>English</language><readOnly>false</readOnly>",
	"ServiceProviderGetRequest17sp1":      "<useCustomRoutingProfile>false</useCustomRoutingProfile><defaultDomain>example.com</defaultDomain><useServiceProviderLanguages>false</useServiceProviderLanguages>",
	"GroupServiceGetAuthorizationRequest": "<authorized>true</authorized><authorizedQuantity><unlimited>true</unlimited></authorizedQuantity><usedQuantity><quantity>1</quantity></usedQuantity><authorizable>true</authorizable>",
	"GroupDepartmentGetListRequest18": "<departmentTable><colHeading>Is Enterprise Department</colHeading><colHeading>Department Name</colHeading><colHeading>Full Path Name</colHeading>" +
		"<row><col>false</col><col>Sales</col><col>Sales</col></row></departmentTable>",
	"VerifySessionIsValidRequest": "",
	"LogoutRequest":               "",
}

// answer appends the reply to a document.
func (p *platform) answer(to, request []byte) []byte {
	to = append(to, `<?xml version="1.0" encoding="ISO-8859-1"?>`+"\n"+`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`...)
	head, commands, _ := bytes.Cut(request, []byte("<command "))
	for _, name := range []string{"sessionId", "trackingId"} {
		if text, ok := element(head, name); ok {
			to = fmt.Appendf(to, `<%s xmlns="">%s</%s>`, name, text, name)
		}
	}
	for command := range bytes.SplitSeq(commands, []byte("<command ")) {
		to = p.reply(to, command)
	}
	return append(append(to, endTag...), '\n')
}

// reply appends the response to a command.
func (p *platform) reply(to, command []byte) []byte {
	tag, inside, _ := bytes.Cut(command, []byte(">"))
	name := string(attribute(tag, "xsi:type"))
	to = append(to, "<command"...)
	if echo := attribute(tag, "echo"); len(echo) > 0 {
		to = fmt.Appendf(to, ` echo="%s"`, echo)
	}
	content, known := scripted[name]
	switch {
	case name == numbersCommand:
		group, _ := element(inside, "groupId")
		return append(append(named(to, name), p.table(rowsOf(string(group)))...), "</command>"...)
	case name == "AuthenticationRequest":
		user, _ := element(inside, "userId")
		content = fmt.Sprintf("<userId>%s</userId><nonce>1493661742798</nonce><passwordAlgorithm>MD5</passwordAlgorithm>", user)
	case !known:
		return append(to, ` type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>[Error 6004] not in the script</summary><summaryEnglish>[Error 6004] not in the script</summaryEnglish></command>`...)
	case content == "":
		return append(to, ` xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`...)
	}
	return append(append(named(to, name), content...), "</command>"...)
}

func named(to []byte, command string) []byte {
	return fmt.Appendf(to, ` xsi:type="%s" xmlns="">`, strings.Replace(command, "Request", "Response", 1))
}

// element returns the unparsed text of the first element of that name.
func element(in []byte, name string) ([]byte, bool) {
	_, after, found := bytes.Cut(in, []byte("<"+name))
	if !found {
		return nil, false
	}
	_, after, _ = bytes.Cut(after, []byte(">"))
	text, _, found := bytes.Cut(after, []byte("</"))
	return text, found
}

// attribute returns the unparsed value of an attribute.
func attribute(tag []byte, name string) []byte {
	_, after, _ := bytes.Cut(tag, []byte(name+`="`))
	value, _, _ := bytes.Cut(after, []byte(`"`))
	return value
}

// note records the first document with nothing but a read of numbers.
func (p *platform) note(request []byte) error {
	if p.record == "" || p.recorded.Load() ||
		bytes.Count(request, []byte("<command ")) != 1 || !bytes.Contains(request, []byte(numbersCommand)) {
		return nil
	}
	p.recorded.Store(true)
	return os.WriteFile(p.record, request, 0o600)
}

// numbersReply appends a complete document with a table of that number of rows.
func numbersReply(rows int) []byte {
	return newPlatform(0, "").answer(nil, fmt.Appendf(nil, `<sessionId>bench</sessionId><command xsi:type="%s" echo="1"><groupId>%s</groupId>`, numbersCommand, groupID(1, rows)))
}
