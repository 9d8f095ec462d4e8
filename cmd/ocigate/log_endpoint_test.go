package main

import (
	"errors"
	"testing"
	"time"

	"ocigate/oci"
)

func TestAddressOfAFailedSessionIsLogged(t *testing.T) {
	trace, log := traced()
	trace.SessionTried("as1", time.Second, &oci.ConnectError{
		Endpoint: "as1", Address: "as1.example.net:2209", Remote: "192.0.2.7:2209", Stage: oci.StageTLS, Err: errors.New("no answer within 5s"),
	})
	wantLine(t, log, "level=WARN", `msg="no session with the platform"`, "platform_endpoint=as1", "address=as1.example.net:2209",
		`cause="oci: platform endpoint as1 (as1.example.net:2209, 192.0.2.7:2209): TLS: no answer within 5s"`)
}
