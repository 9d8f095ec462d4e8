package gateway_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/tracing"
	"ocigate/oci"
	"ocigate/translate"
)

// Benchmarks of a request, from net/http to the client of the platform.

// acceptAll is a verifier that accepts every password.
type acceptAll struct{}

func (acceptAll) Verify(_ context.Context, userID, _ string) (auth.Identity, error) {
	return auth.Identity{LoginType: "System", UserID: userID}, nil
}

// sameReply is a platform that has read its answer already.
type sameReply []oci.Reply

func (s sameReply) Read(_ context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	return s[:len(commands)], nil
}

// discarded takes a response without keeping it.
type discarded struct{ header http.Header }

func (w discarded) Header() http.Header         { return w.header }
func (w discarded) Write(b []byte) (int, error) { return len(b), nil }
func (w discarded) WriteHeader(int)             {}

// BenchmarkGet is all that happens to a request between net/http and the client
// of the platform.
func BenchmarkGet(b *testing.B) { benchmarkGet(b, nil) }

// BenchmarkGetTraced is the same with traces: while they are off, and with requests that are
// sampled rarely and always. The spans go to a receiver that refuses them at once.
func BenchmarkGetTraced(b *testing.B) {
	for name, ratio := range map[string]string{"off": "", "1 percent": "0.01", "all": "1"} {
		b.Run(name, func(b *testing.B) {
			settings, err := tracing.FromEnvironment(func(name string) string {
				return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio}[name]
			})
			must(b, err)
			traces := tracing.New(slog.New(slog.DiscardHandler), "bench")
			must(b, traces.Prepare(settings))
			traces.Use(ratio != "", true)
			defer traces.Close(b.Context())
			benchmarkGet(b, traces)
		})
	}
}

func benchmarkGet(b *testing.B, tracer gateway.Tracer) {
	b.Helper()
	row := `<row><col>+32-26127000</col><col>+32-26127009</col><col>jan@example.com</col><col>true</col></row>`
	replies, err := oci.ParseReplies([]byte(`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		strings.Repeat(`<command xsi:type="XResponse" xmlns=""><authorized>true</authorized><numberRangeSummaryTable>`+
			`<colHeading>Number Range Start</colHeading><colHeading>Number Range End</colHeading><colHeading>User Id</colHeading><colHeading>Is Active</colHeading>`+
			row+row+`</numberRangeSummaryTable></command>`, 3) + `</BroadsoftDocument>`))
	if err != nil {
		b.Fatal(err)
	}
	engine := translate.New(translate.Options{Reader: sameReply(replies), ContextTTL: time.Hour})
	services, err := gateway.NewServices(engine, gateway.ServiceOptions{})
	if err != nil {
		b.Fatal(err)
	}
	authenticator, err := auth.New(auth.Options{Verifier: acceptAll{}})
	if err != nil {
		b.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	handler := gateway.New(gateway.Options{
		Services: services, Auth: authenticator, Metrics: gateway.NewMetrics("bench"),
		Logger: slog.New(slog.NewJSONHandler(null, nil)), Tracer: tracer,
	})
	session, err := authenticator.Login(b.Context(), netip.MustParseAddr("127.0.0.1"), "bench@example.com", "bench")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context()) // as each request of net/http has one
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, ownList("numbers"), http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	request.RemoteAddr = "127.0.0.1:1"
	request.Header.Set("Authorization", "Bearer "+string(session.Token))
	w := discarded{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		handler.ServeHTTP(w, request)
	}
}
