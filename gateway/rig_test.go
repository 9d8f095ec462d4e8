package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/argon2"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/openapi/openapitest"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/oci"
	"ocigate/oci/ocisim"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// The rig of the tests: a gateway in front of the simulated platform, as the program builds
// it. Tests call start or startInBubble with a setup.

func TestMain(m *testing.M) {
	// Thousands of small rigs are made and left: most of the time that it takes to collect
	// them is saved with some more memory.
	debug.SetGCPercent(400)
	goleak.VerifyTestMain(openapitest.Main{M: m})
}

// The group of the documents' examples in the platform's seed, and the account of the
// gateway.
const (
	ownTenant, ownGroup          = "ApioSpTest", "ApioGrpTest"
	ownUser                      = "ApioUserTest@sip.netaxis.be"
	gatewayUser, gatewayPassword = "gateway", "gateway-demo"
)

// clientSecret is the secret of every listed client.
const clientSecret = "hunter2-of-the-clients"

// clientHash returns the hash of clientSecret with the lowest accepted cost.
var clientHash = sync.OnceValue(func() auth.Secret {
	const memory, passes, threads, keyLength = 4 << 10, 1, 1, 32
	salt := []byte("salt of the test")
	key := argon2.IDKey([]byte(clientSecret), salt, passes, memory, threads, keyLength)
	b64 := base64.RawStdEncoding
	return auth.Secret(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, memory, passes, threads, b64.EncodeToString(salt), b64.EncodeToString(key)))
})

// The clients, named by level. anonymous has no credentials.
const (
	anonymous  = ""
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

// setup has the settings of a rig. The zero value is for the seed of the demonstration,
// without faults.
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
	folder   string // of the journal; a new one if it is empty
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
	log      *logBuffer
	handler  http.Handler

	base string                                      // scheme and host of the API
	send func(*http.Request) (*http.Response, error) // never follows a redirect
	api  *httptest.Server                            // nil in a bubble
}

// start makes a rig whose parts are connected over TCP.
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

// serve serves the handler on its own port.
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

// startInBubble makes a rig without a network, for tests with the time of synctest.
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

// underRaceSixth returns all the cases of a long table, or a sixth of them under the
// race detector, which makes them many times slower. Which sixth depends on the test
// and on the day, so that all of them run in the course of time. Without the race detector
// they all run.
func underRaceSixth[T any](t testing.TB, cases []T) []T {
	t.Helper()
	if !underRace {
		return cases
	}
	first := (len(t.Name()) + time.Now().YearDay()) % 6
	t.Logf("every sixth case from number %d on", first)
	var sixth []T
	for i := first; i < len(cases); i += 6 {
		sixth = append(sixth, cases[i])
	}
	return sixth
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
	s = s.alsoTraced(t)
	r := &rig{platform: platform, metrics: gateway.NewMetrics("test"), log: &logBuffer{}}
	endpoint.Name, endpoint.UserID, endpoint.Password = "primary", gatewayUser, gatewayPassword
	var series startedSeries
	t.Cleanup(func() { series.wantNoOthers(t, r) })
	encoding, err := oci.EncodingByName("ISO-8859-1")
	must(t, err)

	table := translate.NewPlatformErrors(s.errors)
	platformOptions := oci.Options{
		Endpoints: []oci.Endpoint{endpoint}, Encoding: encoding, Dial: dial, Trace: r.metrics.Trace(), Temporary: table.Temporary,
		ProbeUnusedInterval: -1, // so that a test makes every connection itself
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
	authOptions := auth.Options{
		Verifier: gateway.CheckAdministrators(verifier, r.client), Clients: listedClients(), Charset: encoding,
		ReservedUsers: []string{gatewayUser}, DefaultDomain: r.client.DefaultDomain,
	}
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
	r.handler = openapitest.Watch(t, gateway.New(gatewayOptions))
	series.start(t, r, s.errors, authenticator.ClientsWithTwoHashes())
	return r
}

// keep makes the keeper and the journal of the rig.
func (s setup) keep(t testing.TB, r *rig, services gateway.Services) {
	t.Helper()
	if r.folder = s.folder; r.folder == "" {
		r.folder = filepath.Join(memoryDir(t), "journal")
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

// memoryDir returns a new folder of the test in [memoryFolder]. Thousands of rigs open a
// journal each, and check every two seconds that they can write beside it.
func memoryDir(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp(memoryFolder(), "ocigate-test-")
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
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

// inject injects a fault into the platform.
func (r *rig) inject(t testing.TB, fault string) *ocisim.Injection {
	t.Helper()
	injection, err := r.platform.Inject(parseFault(t, fault))
	must(t, err)
	return injection
}
