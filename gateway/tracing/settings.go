package tracing

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Settings say where traces are sent to, and which. They are made by [FromEnvironment].
type Settings struct {
	// Off reports that no traces are to be sent: OTEL_SDK_DISABLED is true, or
	// OTEL_TRACES_EXPORTER is none.
	Off bool

	receiver *url.URL // with the path
	headers  map[string]string
	gzip     bool
	timeout  time.Duration // of an attempt to send a batch
	tls      *tls.Config
	sampler  sdk.Sampler
	ignore   bool // the traceparent of callers: OTEL_PROPAGATORS is none
	batch    batch
	resource map[string]string // attributes of the program
}

// batch has the settings of the queue of spans.
type batch struct {
	delay, timeout time.Duration
	queue, size    int
}

// Receiver returns the URL of the receiver, which has no password.
func (s Settings) Receiver() string { return s.receiver.Redacted() }

// The variables of OpenTelemetry that are read. Of those in pairs, the first one counts
// if it is set.
// Source: the OpenTelemetry specification, "Environment Variable Specification" and
// "OpenTelemetry Protocol Exporter".
var (
	varEndpoint    = [2]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"}
	varProtocol    = [2]string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"}
	varHeaders     = [2]string{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"}
	varTimeout     = [2]string{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"}
	varCompression = [2]string{"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"}
	varCA          = [2]string{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"}
	varClientCert  = [2]string{"OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"}
	varClientKey   = [2]string{"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"}
)

const (
	varDisabled    = "OTEL_SDK_DISABLED"
	varExporter    = "OTEL_TRACES_EXPORTER"
	varSampler     = "OTEL_TRACES_SAMPLER"
	varSamplerArg  = "OTEL_TRACES_SAMPLER_ARG"
	varPropagators = "OTEL_PROPAGATORS"
	varServiceName = "OTEL_SERVICE_NAME"
	varResource    = "OTEL_RESOURCE_ATTRIBUTES"
)

// defaultReceiver is the address of a receiver on the same machine, by the specification.
const defaultReceiver = "http://localhost:4318"

// tracesPath is what is added to an address that is not only for traces.
const tracesPath = "/v1/traces"

// FromEnvironment reads the settings from the standard variables of OpenTelemetry. getenv is
// os.Getenv, or like it. The error lists all mistakes, each with its variable, and none of
// the values that may hold a secret. The files of certificates are read, too.
func FromEnvironment(getenv func(string) string) (Settings, error) {
	r := &reader{getenv: getenv}
	s := Settings{Off: r.off()}
	if s.Off {
		return s, errors.Join(r.problems...)
	}
	s.receiver = r.receiver()
	if protocol, name := r.either(varProtocol); protocol != "" && protocol != "http/protobuf" {
		r.wrong(name, "%q is not supported: traces are sent as http/protobuf, to port 4318 of most receivers", protocol)
	}
	s.headers = r.headers()
	s.timeout = r.milliseconds(10*time.Second, varTimeout[:]...)
	s.gzip = r.compression()
	s.tls = r.tls()
	if s.receiver != nil && s.receiver.Scheme == "http" {
		r.needsHTTPS(varCA, varClientCert)
	}
	s.sampler = r.sampler()
	s.ignore = r.ignoresCallers()
	s.batch = r.batch()
	s.resource = r.pairs(varResource, getenv(varResource))
	s.resource["service.name"] = cmp.Or(getenv(varServiceName), s.resource["service.name"], "ocigate")
	if !utf8.ValidString(s.resource["service.name"]) {
		r.wrong(varServiceName, "it is not UTF-8")
	}
	return s, errors.Join(r.problems...)
}

// reader reads variables, and collects what is wrong with them.
type reader struct {
	getenv   func(string) string
	problems []error
}

func (r *reader) wrong(variable, format string, values ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s: "+format, append([]any{variable}, values...)...))
}

// either returns the value of the first variable that is set, and its name.
func (r *reader) either(names [2]string) (value, name string) {
	for _, name := range names {
		if value := strings.TrimSpace(r.getenv(name)); value != "" {
			return value, name
		}
	}
	return "", names[1]
}

// off reports whether no traces are to be sent.
func (r *reader) off() bool {
	switch disabled := r.getenv(varDisabled); strings.ToLower(disabled) {
	case "true":
		return true
	case "", "false":
	default:
		r.wrong(varDisabled, "%q is neither true nor false", disabled)
	}
	switch exporter := r.getenv(varExporter); exporter {
	case "none":
		return true
	case "", "otlp":
	default:
		r.wrong(varExporter, "%q is not supported: it must be otlp or none", exporter)
	}
	return false
}

// receiver returns the URL to which traces are sent. Both variables must be valid, also if
// only one counts: the library that sends traces reads both, and prints what it cannot read.
func (r *reader) receiver() *url.URL {
	text, name := r.either(varEndpoint)
	for _, other := range varEndpoint {
		if given := strings.TrimSpace(r.getenv(other)); given != "" && given != text {
			r.address(other, given)
		}
	}
	u := r.address(name, cmp.Or(text, defaultReceiver))
	switch {
	case u == nil:
	case name == varEndpoint[1]:
		u = u.JoinPath(tracesPath)
	case u.Path == "":
		u.Path = "/"
	}
	return u
}

// address returns the URL that a variable holds, or nil. Its value may hold a password.
func (r *reader) address(name, text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		r.wrong(name, "it is not a URL that begins with http:// or https://, such as %s", defaultReceiver)
		return nil
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		r.wrong(name, "its user, password, query or fragment would not be sent: credentials belong in %s", varHeaders[1])
		return nil
	}
	return u
}

// headers returns the headers of what is sent. Both variables must be valid, as in receiver.
func (r *reader) headers() map[string]string {
	text, name := r.either(varHeaders)
	for _, other := range varHeaders {
		if other != name {
			r.headersOf(other, r.getenv(other))
		}
	}
	return r.headersOf(name, text)
}

// headerName is the form of the name of a header: RFC 9110, section 5.1.
var headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

func (r *reader) headersOf(name, text string) map[string]string {
	pairs := r.pairs(name, text)
	for key, value := range pairs {
		if !headerName.MatchString(key) || strings.ContainsFunc(value, isControl) {
			r.wrong(name, "it has a name or a value that no header can have; it is a list like name1=value1,name2=value2, with = and not : after a name")
			break
		}
	}
	return pairs
}

// needsHTTPS reports variables that are for TLS alone.
func (r *reader) needsHTTPS(variables ...[2]string) {
	for _, pair := range variables {
		if text, name := r.either(pair); text != "" {
			r.wrong(name, "it is for a receiver whose URL begins with https://")
		}
	}
}

// pairs returns what a list of key=value says, in which values are percent-encoded.
func (r *reader) pairs(name, text string) map[string]string {
	pairs := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || key == "" || err != nil || strings.ContainsAny(decoded, "\r\n") || !utf8.ValidString(key+decoded) {
			r.wrong(name, "it is not a list like key1=value1,key2=value2 with percent-encoded values in UTF-8") // the values may be secrets
			return pairs
		}
		pairs[key] = decoded
	}
	return pairs
}

// milliseconds returns the time that the first of the variables that is set holds.
func (r *reader) milliseconds(byDefault time.Duration, names ...string) time.Duration {
	return time.Duration(r.number(int(byDefault/time.Millisecond), names...)) * time.Millisecond
}

// maxNumber is the largest number that a variable may hold.
const maxNumber = 1 << 30

// number returns the positive number that the first of the variables that is set holds.
func (r *reader) number(byDefault int, names ...string) int {
	for _, name := range names {
		text := strings.TrimSpace(r.getenv(name))
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxNumber {
			r.wrong(name, "%q is not a whole number, 1 or more", text)
			return byDefault
		}
		return n
	}
	return byDefault
}

func (r *reader) compression() bool {
	text, name := r.either(varCompression)
	if text != "" && text != "none" && text != "gzip" {
		r.wrong(name, "%q is neither gzip nor none", text)
	}
	return text == "gzip"
}

// tls returns the configuration of TLS: who signs the receiver's certificate, and the
// gateway's own one.
func (r *reader) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if file, name := r.either(varCA); file != "" {
		c.RootCAs = x509.NewCertPool()
		pem, err := os.ReadFile(file) //nolint:gosec // the operator names it
		switch {
		case err != nil:
			r.problems = append(r.problems, fmt.Errorf("%s: %w", name, err))
		case !c.RootCAs.AppendCertsFromPEM(pem):
			r.wrong(name, "%s has no certificate in PEM", file)
		}
	}
	cert, certName := r.either(varClientCert)
	key, keyName := r.either(varClientKey)
	switch {
	case cert == "" && key == "":
	case cert == "":
		r.wrong(certName, "it is needed with %s", keyName)
	case key == "":
		r.wrong(keyName, "it is needed with %s", certName)
	default:
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			r.problems = append(r.problems, fmt.Errorf("%s: %w", certName, err))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// samplers are the samplers of the specification. Each gets the ratio of
// OTEL_TRACES_SAMPLER_ARG.
var samplers = map[string]func(ratio float64) sdk.Sampler{
	"always_on":                func(float64) sdk.Sampler { return sdk.AlwaysSample() },
	"always_off":               func(float64) sdk.Sampler { return sdk.NeverSample() },
	"traceidratio":             sdk.TraceIDRatioBased,
	"parentbased_always_on":    func(float64) sdk.Sampler { return sdk.ParentBased(sdk.AlwaysSample()) },
	"parentbased_always_off":   func(float64) sdk.Sampler { return sdk.ParentBased(sdk.NeverSample()) },
	"parentbased_traceidratio": func(ratio float64) sdk.Sampler { return sdk.ParentBased(sdk.TraceIDRatioBased(ratio)) },
}

func (r *reader) sampler() sdk.Sampler {
	name := cmp.Or(strings.TrimSpace(r.getenv(varSampler)), "parentbased_always_on")
	sampler, known := samplers[name]
	if !known {
		r.wrong(varSampler, "%q is not supported: it must be always_on, always_off, traceidratio, or one of these after parentbased_", name)
		return nil
	}
	ratio := 1.0
	if text := strings.TrimSpace(r.getenv(varSamplerArg)); text != "" && strings.HasSuffix(name, "traceidratio") {
		var err error
		if ratio, err = strconv.ParseFloat(text, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			r.wrong(varSamplerArg, "%q is not a number from 0 to 1", text)
		}
	}
	return linkedSampler{sampler(ratio)}
}

// ignoresCallers reports whether the traceparent of requests is ignored.
func (r *reader) ignoresCallers() bool {
	text := strings.TrimSpace(r.getenv(varPropagators))
	if text == "" {
		return false
	}
	names := strings.Split(text, ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if !slices.Contains([]string{"tracecontext", "baggage", "none"}, names[i]) {
			r.wrong(varPropagators, "%q is not supported: it must be tracecontext or none; baggage has no effect", names[i])
		}
	}
	return !slices.Contains(names, "tracecontext")
}

// maxQueue limits the queue of spans: memory for its full length is taken at the start.
const maxQueue = 1 << 20

// batch returns the settings of the queue.
func (r *reader) batch() batch {
	b := batch{
		delay:   r.milliseconds(5*time.Second, "OTEL_BSP_SCHEDULE_DELAY"),
		timeout: r.milliseconds(30*time.Second, "OTEL_BSP_EXPORT_TIMEOUT"),
		queue:   r.number(2048, "OTEL_BSP_MAX_QUEUE_SIZE"),
	}
	if b.queue > maxQueue {
		r.wrong("OTEL_BSP_MAX_QUEUE_SIZE", "%d is more than %d", b.queue, maxQueue)
		b.queue = maxQueue
	}
	b.size = r.number(min(512, b.queue), "OTEL_BSP_MAX_EXPORT_BATCH_SIZE")
	if b.size > b.queue {
		r.wrong("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "%d is more than OTEL_BSP_MAX_QUEUE_SIZE, %d", b.size, b.queue)
	}
	return b
}

// linkedSampler samples the span of work in the background as the request to which it is
// linked, and any other one as the sampler that it wraps.
type linkedSampler struct{ sdk.Sampler }

// ShouldSample implements sdk.Sampler.
func (s linkedSampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	if len(p.Links) == 1 {
		if origin := p.Links[0].SpanContext; !origin.IsRemote() && origin.IsSampled() {
			return sdk.SamplingResult{Decision: sdk.RecordAndSample}
		}
	}
	return s.Sampler.ShouldSample(p)
}
