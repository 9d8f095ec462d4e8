package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/argon2"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/oci"
	"ocigate/oci/ocisim"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The group that the platform's seed has for the documents' examples, and the
// account of the gateway.
const (
	ownTenant, ownGroup          = "ApioSpTest", "ApioGrpTest"
	ownUser                      = "ApioUserTest@sip.netaxis.be"
	gatewayUser, gatewayPassword = "gateway", "gateway-demo"
)

// clientSecret is that of every listed client.
const clientSecret = "hunter2-of-the-clients"

// clientHash is of the least cost that is taken.
var clientHash = sync.OnceValue(func() auth.Secret {
	const memory, passes, threads, keyLength = 4 << 10, 1, 1, 32
	salt := []byte("salt of the test")
	key := argon2.IDKey([]byte(clientSecret), salt, passes, memory, threads, keyLength)
	b64 := base64.RawStdEncoding
	return auth.Secret(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, memory, passes, threads, b64.EncodeToString(salt), b64.EncodeToString(key)))
})

// nobody calls without credentials. The other clients are named by level.
const (
	nobody     = ""
	user       = "user"
	department = "department"
	group      = "group"
	tenant     = "tenant"
	system     = "system"
)

// listedClients has one client of each level, all of the same scope.
func listedClients() []auth.Client {
	clients := []auth.Client{
		{ID: user, Level: auth.EndUser, TenantID: ownTenant, GroupID: ownGroup},
		{ID: department, Level: auth.DepartmentAdmin, TenantID: ownTenant, GroupID: ownGroup},
		{ID: group, Level: auth.GroupAdmin, TenantID: ownTenant, GroupID: ownGroup},
		{ID: tenant, Level: auth.TenantAdmin, TenantID: ownTenant},
		{ID: system, Level: auth.SystemAdmin},
	}
	for i := range clients {
		clients[i].Hash = clientHash()
	}
	return clients
}

// setup says in what a rig differs from the ordinary. Its zero value is the
// seed of the demonstration over TCP.
type setup struct {
	seed     func(*ocisim.Seed)
	faults   []string
	overTLS  bool
	verify   gateway.VerifyBy
	platform func(*oci.Options)
	auth     func(*auth.Options)
	engine   func(*translate.Options)
	services func(*gateway.ServiceOptions)
	journal  func(*operation.Options)
	folder   string // of the journal; a new one where it is empty
	gateway  func(*gateway.Options)
	errors   map[int]*errcode.Code
}

// rig is a gateway and the platform behind it.
type rig struct {
	platform *ocisim.Platform
	client   *oci.Client
	folder   string // of the journal
	keeper   *operation.Keeper
	metrics  *gateway.Metrics
	log      *logbook
	handler  http.Handler

	base string                                      // scheme and host of the API
	send func(*http.Request) (*http.Response, error) // never follows a redirect
	api  *httptest.Server                            // nil in a bubble
}

// start makes a rig whose parts talk over TCP.
func start(t testing.TB, s setup) *rig {
	t.Helper()
	newServer := ocisim.NewServer
	if s.overTLS {
		newServer = ocisim.NewTLSServer
	}
	platform := newServer(s.seeded(t))
	t.Cleanup(func() { _ = platform.Close() })
	endpoint := oci.Endpoint{Address: platform.Addr}
	if s.overTLS {
		endpoint.TLS = &tls.Config{RootCAs: platform.CertPool(), MinVersion: tls.VersionTLS12}
	}
	r := s.assemble(t, platform.Platform, endpoint, nil)
	r.serve(t, r.handler)
	return r
}

// serve puts the handler on a port of its own.
func (r *rig) serve(t testing.TB, handler http.Handler) {
	t.Helper()
	r.api = httptest.NewServer(handler)
	t.Cleanup(r.api.Close)
	client := r.api.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if transport, ok := client.Transport.(*http.Transport); ok {
		transport.DisableCompression = true
	}
	r.base, r.send = r.api.URL, client.Do
}

// startInBubble makes a rig without a network, for tests in which time is
// synctest's.
func startInBubble(t testing.TB, s setup) *rig {
	t.Helper()
	platform, err := ocisim.New(s.seeded(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = platform.Close() })
	return s.connect(t, platform)
}

// connect makes a rig without a network in front of a platform.
func (s setup) connect(t testing.TB, platform *ocisim.Platform) *rig {
	t.Helper()
	endpoint, dial := oci.Endpoint{Address: "platform.invalid:2208"}, platform.Dial
	if s.overTLS {
		endpoint.TLS, dial = tlsInMemory(t, platform)
	}
	r := s.assemble(t, platform, endpoint, dial)
	r.base = "http://gateway.invalid"
	r.send = func(request *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		request.RequestURI = request.URL.RequestURI()
		request.RemoteAddr = "192.0.2.1:1234"
		if request.Body == nil {
			request.Body = http.NoBody
		}
		r.handler.ServeHTTP(recorder, request)
		return recorder.Result(), nil
	}
	return r
}

// survivor is another process before the same platform, on a copy of the journal
// as it is now: as if this one had been killed at this moment. It is for bubbles.
func (r *rig) survivor(t testing.TB) *rig {
	t.Helper()
	synctest.Wait() // a check of the journal makes a file and removes it
	folder := t.TempDir()
	must(t, os.CopyFS(folder, os.DirFS(r.folder)))
	s := setup{folder: folder, journal: func(o *operation.Options) { o.Owner = "survivor" }}
	return s.connect(t, r.platform)
}

// underRaceThird returns all the cases of a long table, or a third of them under the
// race detector, which makes them many times slower. Which third depends on the test
// and on the day, so that all of them are met in the course of time. They all run
// without it.
func underRaceThird[T any](t testing.TB, cases []T) []T {
	t.Helper()
	if !underRace {
		return cases
	}
	first := (len(t.Name()) + time.Now().YearDay()) % 3
	t.Logf("every third case from number %d on", first)
	var third []T
	for i := first; i < len(cases); i += 3 {
		third = append(third, cases[i])
	}
	return third
}

// journalFiles are the names and the contents of the files of the journal. A file
// that is removed meanwhile is left out: a check of the journal makes one and removes
// it.
func (r *rig) journalFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(r.folder)
	must(t, err)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(r.folder, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		must(t, err)
		files[entry.Name()] = content
	}
	return files
}

// tlsInMemory reaches a platform over TLS through a pipe.
func tlsInMemory(t testing.TB, platform *ocisim.Platform) (*tls.Config, func(context.Context, string, string) (net.Conn, error)) {
	t.Helper()
	certificate, err := ocisim.NewCertificate("platform.invalid")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	dial := func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		serving.Go(func() { platform.ServeConn(tls.Server(theirs, certificate.ServerConfig())) })
		return ours, nil
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate.PEM())
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, dial
}

func (s setup) seeded(t testing.TB) ocisim.Seed {
	t.Helper()
	seed := ocisim.DemoSeed()
	if s.seed != nil {
		s.seed(&seed)
	}
	for _, text := range s.faults {
		seed.Faults = append(seed.Faults, parseFault(t, text))
	}
	return seed
}

func parseFault(t testing.TB, text string) ocisim.Fault {
	t.Helper()
	fault, err := ocisim.ParseFault(text)
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

// assemble wires a gateway to a platform as the program does.
func (s setup) assemble(t testing.TB, platform *ocisim.Platform, endpoint oci.Endpoint, dial func(context.Context, string, string) (net.Conn, error)) *rig {
	t.Helper()
	r := &rig{platform: platform, metrics: gateway.NewMetrics("test"), log: &logbook{}}
	endpoint.Name, endpoint.UserID, endpoint.Password = "primary", gatewayUser, gatewayPassword
	var first map[string]bool // series
	t.Cleanup(func() { r.wantNoNewSeries(t, first) })
	encoding, err := oci.EncodingByName("ISO-8859-1")
	must(t, err)

	table := translate.NewPlatformErrors(s.errors)
	platformOptions := oci.Options{
		Endpoints: []oci.Endpoint{endpoint}, Encoding: encoding, Dial: dial, Trace: r.metrics.Trace(), Temporary: table.Temporary,
		ProbeUnusedInterval: -1, // so that every connection is a test's own
	}
	change(s.platform, &platformOptions)
	r.client, err = oci.New(platformOptions)
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.client.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	r.metrics.Watch(r.client)

	if s.verify == "" {
		s.verify = gateway.VerifyAuto
	}
	verifier, err := gateway.NewVerifier(s.verify, r.client, table)
	must(t, err)
	authOptions := auth.Options{Verifier: verifier, Clients: listedClients()}
	change(s.auth, &authOptions)
	authenticator, err := auth.New(authOptions)
	must(t, err)

	engineOptions := translate.Options{Reader: r.client, PlatformErrors: table, Charset: encoding}
	change(s.engine, &engineOptions)
	serviceOptions := gateway.ServiceOptions{}
	change(s.services, &serviceOptions)
	services, err := gateway.NewServices(translate.New(engineOptions), serviceOptions)
	must(t, err)
	s.keep(t, r, services)

	gatewayOptions := gateway.Options{
		Services: services, Writer: r.client, Operations: r.keeper, PlatformErrors: table,
		Auth: authenticator, Metrics: r.metrics,
		Logger: slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	change(s.gateway, &gatewayOptions)
	r.handler = gateway.New(gatewayOptions)
	first = r.firstSeries(t, s.errors)
	return r
}

// keep gives the rig a journal.
func (s setup) keep(t testing.TB, r *rig, services gateway.Services) {
	t.Helper()
	if r.folder = s.folder; r.folder == "" {
		r.folder = filepath.Join(t.TempDir(), "journal")
	}
	store := bolt.Open(r.folder, bolt.Options{NoSync: true})
	options := operation.Options{Store: store, Observe: services.Observer(), Owner: "test", Trace: r.metrics.Operations()}
	change(s.journal, &options)
	r.keeper = operation.NewKeeper(options)
	r.metrics.WatchOperations(r.keeper)
	r.metrics.WatchJournal(r.keeper)
	t.Cleanup(func() {
		r.keeper.Close(context.Background())
		if err := options.Store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// breakJournal puts something else in the place of the journal's folder, which
// not even root can write to as one, and gives what heals it. It is for bubbles.
func (r *rig) breakJournal(t testing.TB) (heal func()) {
	t.Helper()
	synctest.Wait() // for what makes the folder
	aside := r.folder + "-aside"
	must(t, os.Rename(r.folder, aside))
	must(t, os.WriteFile(r.folder, nil, 0o600))
	return func() {
		t.Helper()
		synctest.Wait() // for what would make another
		must(t, os.Remove(r.folder))
		must(t, os.Rename(aside, r.folder))
	}
}

func change[T any](by func(*T), what *T) {
	if by != nil {
		by(what)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inject lets the platform misbehave from now on.
func (r *rig) inject(t testing.TB, fault string) *ocisim.Injection {
	t.Helper()
	injection, err := r.platform.Inject(parseFault(t, fault))
	must(t, err)
	return injection
}

// logbook keeps what is logged.
type logbook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logbook) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(line)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

// last is the last line by its fields. A request's line is there before the
// end of its answer, unless the answer is large.
func (l *logbook) last(t testing.TB) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(l.String()), "\n")
	fields := map[string]any{}
	must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &fields))
	return fields
}

// call is a request to be made.
type call struct {
	method string // GET where it is empty
	path   string
	client string // the id of a listed client
	body   string
	header http.Header
}

// answer is what came of a call, its body read to the end.
type answer struct {
	status int
	header http.Header
	body   string
}

// request makes the call's request, without judging the path as http.NewRequest
// does.
func (r *rig) request(t testing.TB, c call) *http.Request {
	t.Helper()
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	if c.method == "" {
		c.method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(t.Context(), c.method, r.base+c.path, body)
	must(t, err)
	maps.Copy(request.Header, c.header)
	if c.client != nobody {
		request.SetBasicAuth(c.client, clientSecret)
	}
	return request
}

func (r *rig) call(t testing.TB, c call) answer {
	t.Helper()
	return r.answer(t, r.request(t, c))
}

func (r *rig) answer(t testing.TB, request *http.Request) answer {
	t.Helper()
	response, err := r.send(request)
	must(t, err)
	return readAnswer(t, response)
}

func readAnswer(t testing.TB, response *http.Response) answer {
	t.Helper()
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return answer{response.StatusCode, response.Header, string(body)}
}

// get is a read of the own group by the system's client.
func (r *rig) get(t testing.TB, list string) answer {
	t.Helper()
	return r.call(t, call{path: ownList(list), client: system})
}

// itcAt is the path of immediate trunking connectivity of a target, whose ids may be
// empty.
func itcAt(s scope.Scope, t scope.Target) string {
	ids := strings.NewReplacer("{tenant_id}", t.TenantID, "{group_id}", t.GroupID, "{user_id}", t.UserID)
	return "/api/v1" + ids.Replace(s.Prefix()) + "/services/immediate_trunking_connectivity/"
}

func listOf(tenantID, groupID, list string) string {
	return itcAt(scope.Group, scope.Target{TenantID: tenantID, GroupID: groupID}) + list + "/"
}

func ownList(list string) string { return listOf(ownTenant, ownGroup, list) }

// freeRange is of the own tenant and of none of its groups.
const freeRange = `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`

func assignFreeRange() call {
	return call{method: http.MethodPost, path: ownList("numbers"), client: system, body: freeRange}
}

// apiError is the documented form of an error.
type apiError struct {
	Code    int    `json:"code"`
	Name    string `json:"name"`
	Message string `json:"message"`
	Details struct {
		Entries   []string `json:"entries"`
		Operation string   `json:"operation"`
		Problems  []struct {
			Pointer   *string `json:"pointer"`
			Parameter string  `json:"parameter"`
			Reason    string  `json:"reason"`
		} `json:"problems"`
		Errors map[string]struct {
			Number  int    `json:"error_code"`
			Level   string `json:"level"`
			Summary string `json:"summary"`
			Detail  string `json:"detail"`
		} `json:"errors"`
	} `json:"details"`
}

// apiError reads the one error of an answer.
func (a answer) apiError(t testing.TB) apiError {
	t.Helper()
	var body struct {
		Errors []apiError `json:"errors"`
	}
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil || len(body.Errors) != 1 {
		t.Fatalf("status %d is not answered with one error: %v: %s", a.status, err, a.body)
	}
	return body.Errors[0]
}

func (a answer) wantStatus(t testing.TB, status int) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
}

// wantBody holds an answer against a status and a body without its last line feed.
func (a answer) wantBody(t testing.TB, status int, body string) {
	t.Helper()
	a.wantStatus(t, status)
	if diff := cmp.Diff(body+"\n", a.body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// wantError holds an answer against a status and a name, both spelled out by
// the test, and gives the error.
func (a answer) wantError(t testing.TB, status int, name string) apiError {
	t.Helper()
	a.wantStatus(t, status)
	got := a.apiError(t)
	if got.Name != name {
		t.Fatalf("error %s, want %s: %s", got.Name, name, a.body)
	}
	return got
}

// wantRetryAfter demands advice of at least one second.
func (a answer) wantRetryAfter(t testing.TB) {
	t.Helper()
	var seconds int
	if _, err := fmt.Sscanf(a.header.Get("Retry-After"), "%d", &seconds); err != nil || seconds < 1 {
		t.Errorf("Retry-After is %q, want whole seconds", a.header.Get("Retry-After"))
	}
}

// endpoints are the rows of the API without their operations.
func endpoints() []gateway.Route { return gateway.Table() }
