package tracing_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ocigate/gateway/tracing"
)

// getenv returns a function that reads these variables alone.
func getenv(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func TestSettingsAreReadFromTheEnvironment(t *testing.T) {
	cases := map[string]struct {
		variables map[string]string
		receiver  string
		off       bool
	}{
		"nothing is set":           {receiver: "http://localhost:4318/v1/traces"},
		"an address for all":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example:4318"}, "https://otel.example:4318/v1/traces", false},
		"an address with a path":   {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example/otlp/"}, "https://otel.example/otlp/v1/traces", false},
		"an address for traces":    {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://otel.example/in", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://other"}, "http://otel.example/in", false},
		"an address without path":  {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://otel.example:4318"}, "http://otel.example:4318/", false},
		"the SDK is disabled":      {map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER": "nonsense"}, "", true},
		"the exporter is none":     {map[string]string{"OTEL_TRACES_EXPORTER": "none"}, "", true},
		"everything has its value": {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "false", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TIMEOUT": "500", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b, other=c=d", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25", "OTEL_PROPAGATORS": "tracecontext,baggage", "OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test", "OTEL_SERVICE_NAME": "x"}, "http://localhost:4318/v1/traces", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := tracing.FromEnvironment(getenv(c.variables))
			if err != nil {
				t.Fatal(err)
			}
			if got.Off != c.off {
				t.Fatalf("off is %v", got.Off)
			}
			if !c.off && got.Receiver() != c.receiver {
				t.Errorf("the receiver is %s, want %s", got.Receiver(), c.receiver)
			}
		})
	}
}

func TestSettingsThatAreNotValid(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("CANARY"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	authority := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	const hidden = "CANARY"
	cases := map[string]struct {
		variables map[string]string
		want      string // the beginning of the error
	}{
		"gRPC":                           {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, `OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not supported: traces are sent as http/protobuf`},
		"JSON":                           {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" is not supported`},
		"no scheme":                      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "me:CANARY@host:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: it is not a URL that begins with http://"},
		"another scheme":                 {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "grpc://CANARY:4317"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: it is not a URL"},
		"headers":                        {map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "CANARY"}, "OTEL_EXPORTER_OTLP_HEADERS: it is not a list like key1=value1"},
		"an encoding":                    {map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "key=CANARY%zz"}, "OTEL_EXPORTER_OTLP_HEADERS: it is not a list"},
		"a line feed":                    {map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "key=CANARY%0d%0aHost:x"}, "OTEL_EXPORTER_OTLP_HEADERS: it is not a list"},
		"a header as in HTTP":            {map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "authorization: Bearer CANARY=="}, "OTEL_EXPORTER_OTLP_HEADERS: it has a name or a value that no header can have"},
		"a control character":            {map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "key=CANARY%00"}, "OTEL_EXPORTER_OTLP_HEADERS: it has a name or a value that no header can have"},
		"headers that do not count":      {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=b", "OTEL_EXPORTER_OTLP_HEADERS": "key=CANARY%zz"}, "OTEL_EXPORTER_OTLP_HEADERS: it is not a list"},
		"an address that does not count": {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:CANARY@a b"}, "OTEL_EXPORTER_OTLP_ENDPOINT: it is not a URL"},
		"a password":                     {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://me:CANARY@otel.example"}, "OTEL_EXPORTER_OTLP_ENDPOINT: its user, password, query or fragment would not be sent"},
		"a query":                        {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://otel.example/in?key=CANARY"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: its user, password, query"},
		"a certificate for HTTP":         {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel.example", "OTEL_EXPORTER_OTLP_CERTIFICATE": authority}, "OTEL_EXPORTER_OTLP_CERTIFICATE: it is for a receiver whose URL begins with https://"},
		"another encoding":               {map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "site=CANARY%ff"}, "OTEL_RESOURCE_ATTRIBUTES: it is not a list"},
		"a name that is not UTF-8":       {map[string]string{"OTEL_SERVICE_NAME": "CANARY\xff"}, "OTEL_SERVICE_NAME: it is not UTF-8"},
		"a huge queue":                   {map[string]string{"OTEL_BSP_MAX_QUEUE_SIZE": "1073741824"}, "OTEL_BSP_MAX_QUEUE_SIZE: 1073741824 is more than 1048576"},
		"a time with a unit":             {map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, `OTEL_EXPORTER_OTLP_TIMEOUT: "10s" is not a whole number`},
		"a compression":                  {map[string]string{"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, `OTEL_EXPORTER_OTLP_COMPRESSION: "zstd" is neither gzip nor none`},
		"a file that is absent":          {map[string]string{"OTEL_EXPORTER_OTLP_CERTIFICATE": "/absent"}, "OTEL_EXPORTER_OTLP_CERTIFICATE: open /absent"},
		"no certificate":                 {map[string]string{"OTEL_EXPORTER_OTLP_CERTIFICATE": notPEM}, "OTEL_EXPORTER_OTLP_CERTIFICATE: " + notPEM + " has no certificate"},
		"a key alone":                    {map[string]string{"OTEL_EXPORTER_OTLP_CLIENT_KEY": "k"}, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: it is needed with OTEL_EXPORTER_OTLP_CLIENT_KEY"},
		"a certificate alone":            {map[string]string{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "k"}, "OTEL_EXPORTER_OTLP_CLIENT_KEY: it is needed"},
		"a sampler":                      {map[string]string{"OTEL_TRACES_SAMPLER": "jaeger_remote"}, `OTEL_TRACES_SAMPLER: "jaeger_remote" is not supported`},
		"a ratio":                        {map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1%"}, `OTEL_TRACES_SAMPLER_ARG: "1%" is not a number from 0 to 1`},
		"a ratio above 1":                {map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "NaN"}, `OTEL_TRACES_SAMPLER_ARG: "NaN"`},
		"a propagator":                   {map[string]string{"OTEL_PROPAGATORS": "tracecontext,b3"}, `OTEL_PROPAGATORS: "b3" is not supported`},
		"an exporter":                    {map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, `OTEL_TRACES_EXPORTER: "zipkin" is not supported`},
		"neither true nor false":         {map[string]string{"OTEL_SDK_DISABLED": "1"}, `OTEL_SDK_DISABLED: "1" is neither`},
		"a batch above the queue":        {map[string]string{"OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "11"}, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE: 11 is more than"},
		"no queue":                       {map[string]string{"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, `OTEL_BSP_MAX_QUEUE_SIZE: "0" is not a whole number, 1 or more`},
		"attributes":                     {map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "CANARY"}, "OTEL_RESOURCE_ATTRIBUTES: it is not a list"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := tracing.FromEnvironment(getenv(c.variables))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("the error is %v, want %s…", err, c.want)
			}
			if strings.Contains(err.Error(), hidden) {
				t.Errorf("the error has a secret: %v", err)
			}
		})
	}
}

// All mistakes are reported together.
func TestSettingsWithSeveralMistakes(t *testing.T) {
	_, err := tracing.FromEnvironment(getenv(map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": "x", "OTEL_BSP_SCHEDULE_DELAY": "soon"}))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("the error is %v", err)
	}
}
