// Package facade is a simple gateway that ocigate is compared with. It serves only the read of
// numbers, with the standard library's mux, encoding/xml and encoding/json.
//
// It omits much of the work of ocigate: it has no callers, checks no rights and no ids, reads
// no context of the group, has no limits, does not check that a reply belongs to its request,
// keeps no metrics and no log, and never replaces a lost session.
package facade

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"  //nolint:gosec // the platform's signed login uses these
	"crypto/sha1" //nolint:gosec // two hashes, by the published schema
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// A Facade serves GET …/numbers/ with a fixed number of sessions.
type Facade struct{ sessions chan *session }

// New returns a Facade with that number of sessions, which it logs in with the platform at
// the address.
func New(ctx context.Context, platform string, sessions int) (*Facade, error) {
	f := &Facade{make(chan *session, sessions)}
	for range sessions {
		s, err := login(ctx, platform)
		if err != nil {
			return nil, err
		}
		f.sessions <- s
	}
	return f, nil
}

// session is a connection after its login.
type session struct {
	conn   net.Conn
	reader *bufio.Reader
}

// reply is the part of a document that the facade reads.
type reply struct {
	Command struct {
		Nonce string `xml:"nonce"`
		Login string `xml:"loginType"`
		Table struct {
			Headings []string `xml:"colHeading"`
			Rows     []struct {
				Cells []string `xml:"col"`
			} `xml:"row"`
		} `xml:"numberRangeSummaryTable"`
	} `xml:"command"`
}

func login(ctx context.Context, platform string) (*session, error) {
	const user, password = "facade", "facade-bench"
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", platform)
	if err != nil {
		return nil, err
	}
	s := &session{conn, bufio.NewReader(conn)}
	challenge, err := s.ask("AuthenticationRequest", [2]string{"userId", user})
	if err != nil {
		return nil, err
	}
	inner := sha1.Sum([]byte(password))                                                    //nolint:gosec // see the import
	outer := md5.Sum([]byte(challenge.Command.Nonce + ":" + hex.EncodeToString(inner[:]))) //nolint:gosec // see the import
	answer, err := s.ask("LoginRequest14sp4", [2]string{"userId", user}, [2]string{"signedPassword", hex.EncodeToString(outer[:])})
	if err == nil && answer.Command.Login == "" {
		err = errors.New("facade: the platform did not let us in")
	}
	return s, err
}

// ask sends a command with the names and values as elements.
func (s *session) ask(command string, elements ...[2]string) (*reply, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`+
		`<sessionId xmlns="">%p</sessionId><command xsi:type="%s" xmlns="">`, s, command)
	for _, element := range elements {
		fmt.Fprintf(&b, "<%s>", element[0])
		if err := xml.EscapeText(&b, []byte(element[1])); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "</%s>", element[0])
	}
	b.WriteString("</command></BroadsoftDocument>\n")
	if _, err := s.conn.Write(b.Bytes()); err != nil {
		return nil, err
	}
	decoder := xml.NewDecoder(s.reader)
	decoder.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		if !strings.EqualFold(charset, "ISO-8859-1") {
			return nil, fmt.Errorf("facade: unknown charset %q", charset)
		}
		return charmap.ISO8859_1.NewDecoder().Reader(input), nil
	}
	r := &reply{}
	return r, decoder.Decode(r)
}

type number struct {
	MinPhoneNumber  string      `json:"minPhoneNumber"`
	MaxPhoneNumber  string      `json:"maxPhoneNumber"`
	GroupID         string      `json:"groupId"`
	UserID          string      `json:"userId"`
	LastName        string      `json:"lastName"`
	FirstName       string      `json:"firstName"`
	PhoneNumber     string      `json:"phoneNumber"`
	Extension       string      `json:"extension"`
	Department      *department `json:"department,omitempty"`
	EmailAddress    string      `json:"emailAddress"`
	EnterpriseTrunk string      `json:"enterpriseTrunk"`
	Active          bool        `json:"active"`
	ExtensionLength string      `json:"extensionLength"`
}

type department struct {
	TenantID       string `json:"tenantId"`
	GroupID        string `json:"groupId"`
	DepartmentName string `json:"departmentName"`
	FullPathName   string `json:"fullPathName"`
}

// Handler returns the handler of the path.
func (f *Facade) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/tenant/{tenant}/group/{group}/services/immediate_trunking_connectivity/numbers/", f.numbers)
	return mux
}

func (f *Facade) numbers(w http.ResponseWriter, r *http.Request) {
	tenant, group := r.PathValue("tenant"), r.PathValue("group")
	s := <-f.sessions
	answer, err := s.ask("GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest", [2]string{"serviceProviderId", tenant}, [2]string{"groupId", group})
	f.sessions <- s
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	columns := map[string]int{}
	for i, heading := range answer.Command.Table.Headings {
		columns[heading] = i
	}
	numbers := []number{}
	for _, row := range answer.Command.Table.Rows {
		cell := func(heading string) string { return row.Cells[columns[heading]] }
		n := number{
			MinPhoneNumber:  strings.ReplaceAll(cell("Number Range Start"), "-", ""),
			MaxPhoneNumber:  strings.ReplaceAll(cell("Number Range End"), "-", ""),
			GroupID:         group,
			UserID:          cell("User Id"),
			LastName:        cell("Last Name"),
			FirstName:       cell("First Name"),
			PhoneNumber:     strings.ReplaceAll(cell("Phone Number"), "-", ""),
			Extension:       cell("Extension"),
			EmailAddress:    cell("Email Address"),
			EnterpriseTrunk: cell("Enterprise Trunk"),
			Active:          cell("Is Active") == "true",
			ExtensionLength: cell("Extension Length"),
		}
		if name := cell("Department"); name != "" {
			n.Department = &department{tenant, group, name, name}
		}
		numbers = append(numbers, n)
	}
	w.Header().Set("Content-Type", "application/json")
	// The caller may have disconnected.
	_ = json.NewEncoder(w).Encode(map[string][]number{"numbers": numbers})
}
