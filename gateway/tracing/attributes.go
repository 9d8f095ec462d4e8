package tracing

import (
	"maps"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The keys of all attributes of spans. Those without "ocigate" are of the semantic
// conventions of OpenTelemetry.
const (
	keyMethod      attribute.Key = "http.request.method"
	keyRoute       attribute.Key = "http.route"
	keyStatus      attribute.Key = "http.response.status_code"
	keyErrorType   attribute.Key = "error.type"
	keyRPCSystem   attribute.Key = "rpc.system"
	keyRPCMethod   attribute.Key = "rpc.method"
	keyRouteName   attribute.Key = "ocigate.route"
	keyErrorNumber attribute.Key = "ocigate.error.number"
	keyRequestID   attribute.Key = "ocigate.request.id"
	keyLevel       attribute.Key = "ocigate.principal.level"
	keyAuthMethod  attribute.Key = "ocigate.principal.method"
	keyClient      attribute.Key = "ocigate.client.id"
	keyOperation   attribute.Key = "ocigate.operation.id"
	keyOutcome     attribute.Key = "ocigate.operation.outcome"
	keyReplayed    attribute.Key = "ocigate.operation.replayed"
	keyEndpoint    attribute.Key = "ocigate.platform.endpoint"
	keyCommands    attribute.Key = "ocigate.platform.commands"
	keyResult      attribute.Key = "ocigate.platform.result"
	keyRefusal     attribute.Key = "ocigate.platform.error_number"
	keyJoined      attribute.Key = "ocigate.platform.joined"
	keyConnect     attribute.Key = "ocigate.platform.connect_seconds"
	keyTLS         attribute.Key = "ocigate.platform.tls_seconds"
	keyWait        attribute.Key = "ocigate.wait.result"
)

// attributes documents all attributes. Any other is removed before a span is sent.
var attributes = map[attribute.Key]string{
	keyMethod:      "the method of the request; _OTHER for one that the API does not know",
	keyRoute:       "the documented path of the route, with {…} in the place of each id",
	keyStatus:      "the status of the response; 499 if the caller disconnected before it",
	keyErrorType:   "the name of the error in the response, or the kind of failure of another span",
	keyRPCSystem:   "always oci-p",
	keyRPCMethod:   "the name of the first command of the document",
	keyRouteName:   "the name of the route, as the label endpoint of metrics",
	keyErrorNumber: "the number of the error in the response",
	keyRequestID:   "the request id, if the gateway has made it: one of the caller's is only in the log",
	keyLevel:       "the level of the caller",
	keyAuthMethod:  "the method by which the caller was authenticated",
	keyClient:      "the id of a listed client",
	keyOperation:   "the id of the operation of a write",
	keyOutcome:     "its outcome in the response",
	keyReplayed:    "true if the response is that of an earlier request with the same key",
	keyEndpoint:    "the name of the platform endpoint",
	keyCommands:    "the names of the commands of the document",
	keyResult:      "ok, refused, lost, or unsent; of a login ok, or the stage that failed",
	keyRefusal:     "the number of the platform's first error",
	keyJoined:      "true if the read was answered by the exchange of another request",
	keyConnect:     "the part of a login for DNS and TCP, in seconds",
	keyTLS:         "the part of a login for TLS, in seconds",
	keyWait:        "ok, failed, or left if the caller stopped waiting",
}

// Attributes returns what each attribute is, by its key. Spans have no others.
func Attributes() map[string]string {
	all := map[string]string{}
	for key, doc := range maps.All(attributes) {
		all[string(key)] = doc
	}
	return all
}

// permitted is a span without what must not be sent: attributes that are not in the table,
// events, which hold texts of errors, and the description of the status.
type permitted struct{ sdk.ReadOnlySpan }

// Attributes implements sdk.ReadOnlySpan.
func (p permitted) Attributes() []attribute.KeyValue { return permittedOf(p.ReadOnlySpan.Attributes()) }

// Events implements sdk.ReadOnlySpan.
func (permitted) Events() []sdk.Event { return nil }

// Status implements sdk.ReadOnlySpan.
func (p permitted) Status() sdk.Status { return sdk.Status{Code: p.ReadOnlySpan.Status().Code} }

// SpanContext implements sdk.ReadOnlySpan.
func (p permitted) SpanContext() trace.SpanContext { return withoutState(p.ReadOnlySpan.SpanContext()) }

// Parent implements sdk.ReadOnlySpan.
func (p permitted) Parent() trace.SpanContext { return withoutState(p.ReadOnlySpan.Parent()) }

// Links implements sdk.ReadOnlySpan.
func (p permitted) Links() []sdk.Link {
	links := slices.Clone(p.ReadOnlySpan.Links())
	for i := range links {
		links[i].Attributes = permittedOf(links[i].Attributes)
		links[i].SpanContext = withoutState(links[i].SpanContext)
	}
	return links
}

func permittedOf(all []attribute.KeyValue) []attribute.KeyValue {
	return slices.DeleteFunc(slices.Clone(all), func(a attribute.KeyValue) bool {
		_, known := attributes[a.Key]
		return !known
	})
}

// withoutState removes the tracestate, which is a caller's text.
func withoutState(c trace.SpanContext) trace.SpanContext { return c.WithTraceState(trace.TraceState{}) }
