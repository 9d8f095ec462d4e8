package translate_test

// This file specifies how the engine reads commands in a context, with and
// without its cache. testContext in platform_test.go is the context; a new case
// is a subtest with its own prepared replies.

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

const things = "GroupThingsGetRequest"

// thingsOf is a command about a group.
var thingsOf = oci.NewRead(things)

func TestCommandsInContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(t)
		p.Answers[things] = answer(things, "<size>7</size>")
		engine := p.engine(translate.Options{ContextTTL: time.Minute})
		ask := func() {
			t.Helper()
			replies, facts, err := engine.ReadInContext(t.Context(), testGroup, testContext, thingsOf, thingsOf)
			if err != nil {
				t.Fatal(err)
			}
			if size, _, err := replies[1].Text("size"); len(replies) != 2 || size != "7" || err != nil {
				t.Errorf("%d replies, size %q, %v", len(replies), size, err)
			}
			if facts["tenant"] != "green" {
				t.Errorf("facts %v", facts)
			}
		}
		if _, known := engine.CachedFacts(testContext, testGroup); known {
			t.Error("cached before it was read")
		}
		ask()
		wantAsked(t, p, tenantGet+"+"+things+"+"+things)
		if facts, known := engine.CachedFacts(testContext, testGroup); !known || facts["tenant"] != "green" {
			t.Errorf("cached %v, %t", facts, known)
		}
		ask()
		wantAsked(t, p, things+"+"+things)
		time.Sleep(time.Minute)
		if _, known := engine.CachedFacts(testContext, testGroup); known {
			t.Error("cached for too long")
		}
		ask()
		wantAsked(t, p, tenantGet+"+"+things+"+"+things)
	})
}

func TestCommandsOutOfContextHaveNoReplies(t *testing.T) {
	noTenant := answer(tenantList, table("serviceProviderTable", "Service Provider Id"))
	strange := refusal("Error", 4999, "strange")
	for name, test := range map[string]struct {
		answers map[string]string
		asked   []string
		want    *errcode.Code
	}{
		"an invalid reply":      {map[string]string{tenantGet: answer(tenantGet, "<color>red</color>")}, nil, errcode.ServiceNotAssigned},
		"a missing target":      {map[string]string{tenantGet: strange, tenantList: noTenant}, []string{tenantList}, errcode.TenantNotFound},
		"a number of the table": {map[string]string{tenantGet: refusal("Error", 4152, "no")}, nil, errcode.GroupNotFound},
		"a text of the table":   {map[string]string{tenantGet: refusal("Error", 1, "temporarily unavailable"), tenantList: strange}, []string{tenantList}, errcode.PlatformUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[things] = answer(things, "")
			maps.Copy(p.Answers, test.answers)
			engine := p.engine(longTTL)
			replies, _, err := engine.ReadInContext(t.Context(), testGroup, testContext, thingsOf)
			if code(t, err, test.want); replies != nil {
				t.Errorf("got %v with the error", replies)
			}
			wantAsked(t, p, append([]string{tenantGet + "+" + things}, test.asked...)...)
			if _, known := engine.CachedFacts(testContext, testGroup); known {
				t.Error("it is cached")
			}
		})
	}
}

// Without an existence question only the table of numbers and texts decides.
func TestQuestionWithoutAbout(t *testing.T) {
	p := newPlatform(t)
	p.Answers[tenantGet], p.Answers[things] = refusal("Error", 4999, "strange"), answer(things, "")
	q := testContext.Questions[0]
	q.About = nil
	_, _, err := p.engine(longTTL).ReadInContext(t.Context(), testGroup, &translate.Context{Questions: []translate.Question{q}}, thingsOf)
	code(t, err, errcode.PlatformError)
	wantAsked(t, p, tenantGet+"+"+things)
}

func TestReadUncached(t *testing.T) {
	p := newPlatform(t)
	p.Answers[things] = answer(things, "<size>7</size>")
	engine := p.engine(longTTL)
	for range 2 {
		reading, err := engine.ReadUncached(t.Context(), testGroup, testContext, thingsOf)
		if err != nil || reading.Context != nil || reading.Facts["tenant"] != "green" || len(reading.Replies) != 1 {
			t.Fatalf("got %+v, %v", reading, err)
		}
		wantAsked(t, p, tenantGet+"+"+things)
	}
	if _, known := engine.CachedFacts(testContext, testGroup); known {
		t.Error("a context is cached")
	}
	p.Answers[tenantGet] = answer(tenantGet, "<color>red</color>")
	reading, err := engine.ReadUncached(t.Context(), testGroup, testContext, thingsOf)
	if err != nil || len(reading.Replies) != 1 {
		t.Fatalf("got %+v, %v", reading, err)
	}
	code(t, reading.Context, errcode.ServiceNotAssigned)
	p.Err[things] = oci.ErrBusy
	if reading, err := engine.ReadUncached(t.Context(), testGroup, testContext, thingsOf); !errors.Is(err, oci.ErrBusy) || reading != nil {
		t.Errorf("got %+v, %v", reading, err)
	}
}

func TestEngineWithoutReaderFails(t *testing.T) {
	engine := translate.New(translate.Options{})
	_, err := engine.Read(t.Context(), thingsOf)
	if err == nil {
		t.Fatal("the platform was read")
	}
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		t.Errorf("the code of the error is %s", e.Code.Name)
	}
}

// brief replies to every document with one reply too few.
type brief struct{ *platform }

func (b brief) Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	all, err := b.platform.Read(ctx, commands...)
	return all[:len(all)-1], err
}

func TestMissingRepliesArePlatformErrors(t *testing.T) {
	p := newPlatform(t)
	_, err := translate.New(translate.Options{Reader: brief{p}}).Read(t.Context(), thingsOf)
	code(t, err, errcode.PlatformError)
}
