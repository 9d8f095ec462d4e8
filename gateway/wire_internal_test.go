package gateway

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"ocigate/oci"
)

// What limits the documents of a trace. To add a case, give a trace more than fits.

func TestARequestReturnsALimitedNumberOfDocuments(t *testing.T) {
	const size = 100 << 10
	w := &requestWire{mode: wireReturn}
	for range 12 {
		w.done(oci.WireExchange{Request: strings.Repeat("a", size/2), Reply: strings.Repeat("b", size/2)})
	}
	if body := w.body(&heldResponse{}); len(body.Wire) != maxWireBytes/size || !body.Truncated || string(body.Response) != "null" {
		t.Errorf("%d exchanges, truncated %t, response %s", len(body.Wire), body.Truncated, body.Response)
	}
	w = &requestWire{mode: wireReturn}
	for range maxWireExchanges + 1 {
		w.done(oci.WireExchange{})
	}
	if body := w.body(&heldResponse{}); len(body.Wire) != maxWireExchanges || !body.Truncated {
		t.Errorf("%d exchanges, truncated %t", len(body.Wire), body.Truncated)
	}
	w = &requestWire{mode: wireReturn}
	w.done(oci.WireExchange{Cut: true})
	if body := w.body(&heldResponse{}); !body.Truncated {
		t.Error("a cut document is not reported")
	}
	w.done(oci.WireExchange{}) // one that arrives late
	if len(w.exchanges) != 1 {
		t.Error("an exchange was taken after the end")
	}
}

func TestARequestLogsALimitedNumberOfDocuments(t *testing.T) {
	var log bytes.Buffer
	w := &requestWire{mode: wireLog, requestID: "id", logger: slog.New(slog.NewJSONHandler(&log, nil))}
	for range maxWireExchanges + 3 {
		w.done(oci.WireExchange{})
	}
	w.end()
	if n := strings.Count(log.String(), `"msg":"wire"`); n != maxWireExchanges || !strings.Contains(log.String(), `"left_out":3`) {
		t.Errorf("%d lines, and then %s", n, log.String()[strings.LastIndex(strings.TrimSpace(log.String()), "\n")+1:])
	}
}

func TestATraceOfATenantIsLimitedByTheMinute(t *testing.T) {
	for name, test := range map[string]struct{ size, fit int }{
		"lines": {0, maxTenantLines}, "bytes": {maxTenantBytes / 10, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				trace := &tenantTrace{tenantID: "A", logger: slog.New(slog.NewJSONHandler(&log, nil))}
				taken := 0
				offer := func() {
					for range test.fit + 5 {
						if trace.take(test.size) {
							taken++
						}
					}
				}
				offer()
				time.Sleep(59 * time.Second)
				offer()
				if taken != test.fit || log.Len() > 0 {
					t.Errorf("%d in the first minute, log %s", taken, &log)
				}
				time.Sleep(time.Second)
				offer()
				if want := `"left_out":` + strconv.Itoa(test.fit+10) + "}"; taken != 2*test.fit || !strings.Contains(log.String(), want) || strings.Count(log.String(), "\n") != 1 {
					t.Errorf("%d in two minutes, log %s", taken, &log)
				}
				if state := trace.state(); state.Logged != 2*test.fit || state.LeftOut != test.fit+15 {
					t.Errorf("%+v", state)
				}
			})
		})
	}
}

// A long list is not held in memory, and its response is the same as that of a short one.
func TestALongBodyIsWrittenAsItComes(t *testing.T) {
	server := echo.New()
	for name, test := range map[string]struct {
		media string
		size  int
		begun bool
	}{
		"short":    {echo.MIMEApplicationJSON, maxHeld - 100, false},
		"long":     {echo.MIMEApplicationJSON, 20 * maxHeld, true},
		"not JSON": {echo.MIMETextPlain, 2 * maxHeld, false},
	} {
		recorder := httptest.NewRecorder()
		held := &heldResponse{out: echo.NewResponse(recorder, server)}
		held.Header().Set(echo.HeaderContentType, test.media)
		held.Header().Set(echo.HeaderContentLength, "1")
		held.WriteHeader(http.StatusAccepted)
		text := `"` + strings.Repeat("a", test.size) + `"` + "\n"
		for piece := range slices.Chunk([]byte(text), 8<<10) {
			if n, err := held.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
			if held.body.Len() > maxHeld && test.begun {
				t.Fatalf("%s: %d bytes are held", name, held.body.Len())
			}
		}
		if held.begun != test.begun {
			t.Errorf("%s: begun: %t", name, held.begun)
		}
		if !held.begun {
			continue
		}
		w := &requestWire{mode: wireReturn}
		w.done(oci.WireExchange{Endpoint: "primary"})
		if err := held.end(w.body(&heldResponse{})); err != nil {
			t.Error(err)
		}
		var body wireBody
		if err := json.Unmarshal(recorder.Body.Bytes(), &body); err != nil || string(body.Response) != strings.TrimSpace(text) || len(body.Wire) != 1 || body.Truncated {
			t.Errorf("%s: %v, %d bytes, %d exchanges", name, err, len(body.Response), len(body.Wire))
		}
		if got := recorder.Header(); recorder.Code != http.StatusAccepted || got.Get(echo.HeaderContentType) != WireMedia || got.Get(echo.HeaderContentLength) != "" {
			t.Errorf("%s: status %d, header %v", name, recorder.Code, got)
		}
	}
}

func TestABodyThatIsNotJSONBecomesAText(t *testing.T) {
	held := &heldResponse{}
	_, _ = held.Write([]byte("{\xff"))
	if got := string(responseOf(held)); got != `"{`+"\uFFFD"+`"` {
		t.Error(got)
	}
}
