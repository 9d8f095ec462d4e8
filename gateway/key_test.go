package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/oci"
	"ocigate/translate/errcode"
)

// wantReplay demands the truth about an operation that another request began.
func (a answer) wantReplay(t testing.TB, id, outcome string) {
	t.Helper()
	if got := a.wantOutcome(t, outcome); got != id {
		t.Errorf("the operation is %s, want the first one's, %s", got, id)
	}
	if a.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("Idempotency-Replayed is %q", a.header.Get("Idempotency-Replayed"))
	}
}

// wantFirst demands an answer that was made for this request.
func (a answer) wantFirst(t testing.TB, status int) {
	t.Helper()
	a.wantStatus(t, status)
	if value := a.header.Get("Idempotency-Replayed"); value != "" {
		t.Errorf("Idempotency-Replayed is %q", value)
	}
}

func TestKeyReplaysWhatWasDone(t *testing.T) {
	for _, w := range writings() {
		t.Run(w.endpoint, func(t *testing.T) {
			r := start(t, setup{})
			first := r.call(t, w.call.keyed("k"))
			first.wantFirst(t, w.status)
			heard := len(r.platform.Ledger())
			for range 2 {
				again := r.call(t, w.call.keyed("k"))
				again.wantStatus(t, w.status)
				again.wantReplay(t, first.wantOutcome(t, "done"), "done")
				if again.body != first.body || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
					t.Errorf("replayed as %q, first was %q", again.body, first.body)
				}
			}
			if len(r.platform.Ledger()) != heard {
				t.Error("the platform was asked")
			}
			r.wantWrites(t, 1, 1)
			// Without the key it is a request like any other.
			r.call(t, w.call).wantAgain(t, w)
		})
	}
}

// wantAgain demands the answer to a write that is done already.
func (a answer) wantAgain(t *testing.T, w writing) {
	t.Helper()
	if w.Again == "" {
		a.wantStatus(t, w.status)
		return
	}
	code, _ := errcode.ByName(w.Again)
	a.wantError(t, code.Status, w.Again)
}

// A refusal of the platform is kept in its own words, and told in the form that
// is asked for.
func TestKeyReplaysARefusal(t *testing.T) {
	for fault, name := range map[string]string{
		`error-before-apply number=4999 summary="Not R&D <today>"`: "PLATFORM_REFUSED",
		"error-before-apply number=4410 summary=no":                "SERVICE_NOT_ASSIGNED",
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{})
			injected := r.inject(t, withCommand(fault, assignCommand))
			asked := assignFreeRange().keyed("k")
			first := r.call(t, asked)
			id := first.wantOutcome(t, "not_done")
			injected.Remove()
			again := r.call(t, asked)
			again.wantError(t, first.status, name)
			again.wantReplay(t, id, "not_done")
			if diff := cmp.Diff(first.body, again.body); diff != "" {
				t.Errorf("body (-first +again):\n%s", diff)
			}

			problem := r.call(t, asked.with("Accept", "application/problem+json"))
			problem.wantStatus(t, first.status)
			problem.wantReplay(t, id, "not_done")
			var told struct {
				Name   string
				Errors json.RawMessage
			}
			must(t, json.Unmarshal([]byte(problem.body), &told))
			if told.Name != name || !strings.Contains(first.body, string(told.Errors)) {
				t.Errorf("as a problem: %s", problem.body)
			}
			r.wantWrites(t, 1, 0)
		})
	}
}

// What was unknown is looked at once more before it is told, and what was found
// out is told instead of what was said first.
func TestKeyReplaysWhatWasFoundOut(t *testing.T) {
	w := writingOf("itc_numbers_assign")
	t.Run("not done", func(t *testing.T) {
		inTime(t, setup{}, func(t *testing.T, r *rig) {
			id := r.loseAnswer(t, w, "k")
			time.Sleep(time.Minute)
			again := r.call(t, w.call.keyed("k"))
			told := again.wantError(t, http.StatusBadRequest, "OPERATION_NOT_DONE")
			again.wantReplay(t, id, "not_done")
			if told.Details.Entries != nil || told.Details.Operation != "" {
				t.Errorf("details %+v", told.Details)
			}
			r.call(t, w.call.keyed("another")).wantFirst(t, http.StatusCreated)
		})
	})
	t.Run("still unknown", func(t *testing.T) {
		inTime(t, setup{}, func(t *testing.T, r *rig) {
			id := r.loseAnswer(t, w, "k")
			time.Sleep(2500 * time.Millisecond) // a while after the last reading
			heard := len(r.platform.Ledger())
			again := r.call(t, w.call.keyed("k"))
			again.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
			again.wantReplay(t, id, "unknown")
			if wantInDoubt(t, again, w) != id {
				t.Error("another operation")
			}
			if len(r.platform.Ledger()) == heard {
				t.Error("nobody looked")
			}
		})
	})
	t.Run("done meanwhile", func(t *testing.T) {
		inTime(t, setup{}, func(t *testing.T, r *rig) {
			r.get(t, "numbers").wantStatus(t, http.StatusOK)
			gone := r.inject(t, "refuse") // so that nobody can look at first
			r.inject(t, withCommand("drop-after-apply", w.command))
			first := r.call(t, w.call.keyed("k"))
			first.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
			gone.Remove()
			time.Sleep(2 * time.Second) // the pause after a failed login
			again := r.call(t, w.call.keyed("k"))
			again.wantStatus(t, http.StatusCreated)
			again.wantReplay(t, first.wantOutcome(t, "unknown"), "done")
			r.wantWrites(t, 1, 1)
		})
	})
	t.Run("not to be seen, because the platform is gone", func(t *testing.T) {
		inTime(t, setup{}, func(t *testing.T, r *rig) {
			id := r.loseAnswer(t, w, "k")
			r.inject(t, "stall")
			again := r.call(t, w.call.keyed("k"))
			again.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
			again.wantReplay(t, id, "unknown")
			again.wantRetryAfter(t)
		})
	})
}

func TestKeyOfARequestThatRuns(t *testing.T) {
	for name, fault := range map[string]string{
		"is judged": "slow delay=5s command=ServiceProviderGetRequest17sp1",
		"is sent":   "slow delay=5s command=" + assignCommand,
	} {
		t.Run("while it "+name, func(t *testing.T) {
			inTime(t, setup{faults: []string{fault}}, func(t *testing.T, r *rig) {
				asked := assignFreeRange().keyed("k")
				first := make(chan answer, 1)
				go func() { first <- r.call(t, asked) }()
				synctest.Wait()
				again := r.call(t, asked)
				told := again.wantError(t, http.StatusConflict, "REQUEST_RUNNING")
				again.wantRetryAfter(t)
				id := again.wantOutcome(t, "unknown")
				if told.Details.Operation != operationPath(id) || again.header.Get("Idempotency-Replayed") != "" {
					t.Errorf("%v %s", again.header, again.body)
				}
				other := asked
				other.path = listOf(ownTenant, "ApioGrpOther", "numbers")
				r.call(t, other).wantError(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
				of := <-first
				of.wantFirst(t, http.StatusCreated)
				if of.wantOutcome(t, "done") != id {
					t.Error("the 409 told of another operation")
				}
			})
		})
	}
}

// A key stands for one content, in whatever spelling of JSON's blanks.
func TestKeyAndContent(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*call)
		same   bool
	}{
		"blanks between the parts":     {func(c *call) { c.body = "\n{ \"numbers\" : [ {\"minPhoneNumber\":\t\"+3225126999\"} ] } " }, true},
		"another spelling of the path": {func(c *call) { c.path = strings.TrimSuffix(c.path, "/") }, true},
		"the plural path": {func(c *call) {
			c.path = strings.NewReplacer("/tenant/", "/tenants/", "/group/", "/groups/").Replace(c.path)
		}, true},
		"an escaped letter in the path": {func(c *call) { c.path = strings.Replace(c.path, "ApioGrp", "%41pioGrp", 1) }, true},
		"the key in quotes":             {func(c *call) { *c = c.keyed(`"k"`) }, true},
		"another request id":            {func(c *call) { *c = c.with("X-Request-Id", "another") }, true},
		"another entry":                 {func(c *call) { c.body = `{"numbers":[{"minPhoneNumber":"+3225127000"}]}` }, false},
		"another spelling of the entry": {func(c *call) { c.body = `{"numbers":[{"minPhoneNumber":"+32-25126999"}]}` }, false},
		"an end that was not there": {func(c *call) {
			c.body = `{"numbers":[{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999"}]}`
		}, false},
		"another group":                   {func(c *call) { c.path = listOf(ownTenant, "ApioGrpOther", "numbers") }, false},
		"another tenant with the numbers": {func(c *call) { c.path = listOf("footenant", "foogroup", "numbers") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{})
			asked := assignFreeRange().keyed("k")
			first := r.call(t, asked)
			first.wantFirst(t, http.StatusCreated)
			c.change(&asked)
			again := r.call(t, asked)
			if c.same {
				again.wantStatus(t, http.StatusCreated)
				again.wantReplay(t, first.wantOutcome(t, "done"), "done")
			} else {
				again.wantError(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
				if again.wantOutcome(t, "not_done") == first.header.Get("Operation-Id") {
					t.Error("the refusal has the id of the first one's operation")
				}
			}
			r.wantWrites(t, 1, 1)
		})
	}
}

// A key is its caller's own.
func TestKeysOfSeveralCallers(t *testing.T) {
	second := call{method: http.MethodPost, path: ownList("numbers"), body: `{"numbers":[{"minPhoneNumber":"+3225127000"}]}`}
	s := setup{auth: func(o *auth.Options) {
		namesake := o.Clients[slices.IndexFunc(o.Clients, func(c auth.Client) bool { return c.ID == tenant })]
		namesake.ID = "tenantadmin" // as an administrator of the platform
		o.Clients = append(o.Clients, namesake)
	}}
	t.Run("two clients", func(t *testing.T) {
		r := start(t, s)
		r.call(t, assignFreeRange().keyed("k")).wantFirst(t, http.StatusCreated)
		second.client = tenant
		r.call(t, second.keyed("k")).wantFirst(t, http.StatusCreated)
	})
	t.Run("a client and a user of the same name", func(t *testing.T) {
		r := start(t, s)
		session, _ := r.login(t, "tenantadmin")
		first := assignFreeRange()
		first.client, first.header = nobody, bearer(session.Token)
		r.call(t, first.keyed("k")).wantFirst(t, http.StatusCreated)
		second.client = "tenantadmin"
		r.call(t, second.keyed("k")).wantFirst(t, http.StatusCreated)
	})
	t.Run("a user with two tokens, and a client with either of its ways", func(t *testing.T) {
		r := start(t, s)
		for _, c := range []struct {
			call   call
			header [2]http.Header
		}{
			{assignFreeRange(), [2]http.Header{r.bearerOf(t, "tenantadmin"), r.bearerOf(t, "tenantadmin")}},
			{second, [2]http.Header{{"X-Api-Key": {tenant + "." + clientSecret}}, {"Authorization": {basicOf(t, r, tenant)}}}},
		} {
			c.call.client, c.call.header = nobody, c.header[0]
			first := r.call(t, c.call.keyed("k"))
			first.wantFirst(t, http.StatusCreated)
			c.call.header = c.header[1]
			r.call(t, c.call.keyed("k")).wantReplay(t, first.wantOutcome(t, "done"), "done")
		}
	})
}

func (r *rig) bearerOf(t testing.TB, username string) http.Header {
	t.Helper()
	session, _ := r.login(t, username)
	return bearer(session.Token)
}

func basicOf(t testing.TB, r *rig, client string) string {
	t.Helper()
	return r.request(t, call{client: client}).Header.Get("Authorization")
}

// A key is its endpoint's own.
func TestKeysOfSeveralEndpoints(t *testing.T) {
	r := start(t, setup{})
	remove := writingOf("itc_numbers_remove")
	r.call(t, assignFreeRange().keyed("k")).wantFirst(t, http.StatusCreated)
	r.call(t, remove.call.keyed("k")).wantFirst(t, http.StatusOK)
	byPost := writingOf("itc_numbers_remove_by_post").call
	byPost.body = freeRange
	r.call(t, byPost.keyed("k")).wantFirst(t, http.StatusOK)
	r.wantWrites(t, 3, 3)
}

// What was refused before it was recorded, and what never left, does not use a
// key up.
func TestRefusalsDoNotUseAKeyUp(t *testing.T) {
	w := writingOf("itc_numbers_assign")
	for name, c := range map[string]struct {
		setup  setup
		fault  string
		change func(*call)
		status int
		error  string
	}{
		"a bad form":                     {change: func(c *call) { c.body = "{}" }, status: 400, error: "JSON_SCHEMA_VALIDATION"},
		"an entry that is not available": {change: func(c *call) { c.body = `{"numbers":[{"minPhoneNumber":"+3225129000"}]}` }, status: 400, error: "NOT_AVAILABLE_FOR_ASSIGNMENT"},
		"a group that does not exist":    {change: func(c *call) { c.path = listOf(ownTenant, "nobody", "numbers") }, status: 404, error: "GROUP_NOT_FOUND"},
		"a tenant that is another's":     {change: func(c *call) { c.path = listOf("footenant", "foogroup", "numbers") }, status: 403, error: "FORBIDDEN"},
		"a platform that is gone":        {fault: "refuse", status: 503, error: "PLATFORM_UNAVAILABLE"},
		"a platform that cannot be asked": {
			fault: "stall command=ServiceProviderGetRequest17sp1", status: 503, error: "PLATFORM_CHECK_FAILED",
		},
		"sessions that are not logged in": {fault: withCommand("lose-login", w.command), status: 503, error: "PLATFORM_UNAVAILABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, c.setup, func(t *testing.T, r *rig) {
				asked := w.call.keyed("k")
				change(c.change, &asked)
				var gone interface{ Remove() }
				if c.fault != "" {
					gone = r.inject(t, c.fault)
				}
				r.call(t, asked).wantError(t, c.status, c.error)
				if gone != nil {
					gone.Remove()
				}
				time.Sleep(5 * time.Second) // the pause after a failed login
				r.call(t, w.call.keyed("k")).wantFirst(t, http.StatusCreated)
			})
		})
	}
	t.Run("all sessions in use", func(t *testing.T) {
		inTime(t, setup{platform: func(o *oci.Options) { o.MaxSessions, o.MaxWait = 1, time.Second }}, func(t *testing.T, r *rig) {
			r.inject(t, "slow delay=5s command=*PrefixGetSummaryListRequest")
			go r.get(t, "prefixes")
			synctest.Wait()
			r.call(t, w.call.keyed("k")).wantError(t, http.StatusServiceUnavailable, "PLATFORM_BUSY")
			time.Sleep(10 * time.Second)
			r.call(t, w.call.keyed("k")).wantFirst(t, http.StatusCreated)
		})
	})
	t.Run("a journal that is not usable", func(t *testing.T) {
		inTime(t, setup{}, func(t *testing.T, r *rig) {
			heal := r.breakJournal(t)
			r.call(t, w.call.keyed("k")).wantError(t, http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
			heal()
			r.call(t, w.call.keyed("k")).wantFirst(t, http.StatusCreated)
		})
	})
	t.Run("entries that are held", func(t *testing.T) {
		inTime(t, setup{}, func(t *testing.T, r *rig) {
			r.loseAnswer(t, w, "")
			r.call(t, w.call.keyed("k")).wantError(t, http.StatusConflict, "ENTRIES_HELD")
			time.Sleep(time.Minute)
			r.call(t, w.call.keyed("k")).wantFirst(t, http.StatusCreated)
		})
	})
}

func TestKeyExpires(t *testing.T) {
	s := setup{journal: func(o *operation.Options) { o.KeepKeys = time.Hour }}
	inTime(t, s, func(t *testing.T, r *rig) {
		asked := assignFreeRange().keyed("k")
		first := r.call(t, asked)
		first.wantFirst(t, http.StatusCreated)
		time.Sleep(time.Hour - time.Minute)
		r.call(t, asked).wantReplay(t, first.wantOutcome(t, "done"), "done")
		time.Sleep(2 * time.Minute)
		r.call(t, asked).wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_FOR_ASSIGNMENT")
		asked.body = `{"numbers":[{"minPhoneNumber":"+3225127000"}]}`
		r.call(t, asked).wantFirst(t, http.StatusCreated)
	})
}

func TestKeysThatAreTaken(t *testing.T) {
	r := start(t, setup{})
	for name, key := range map[string]string{
		"a letter":       "k",
		"255 characters": strings.Repeat("~", 255),
		"other signs":    `!#$%&'()*+,-./:;<=>?@[\]^_{|}`,
		"in quotes":      `"8e03978e-40d5-43e8-bc93-6894a57f9324"`,
		"255 in quotes":  `"` + strings.Repeat("x", 255) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			first := r.call(t, assignFreeRange().keyed(key))
			first.wantFirst(t, http.StatusCreated)
			r.call(t, assignFreeRange().keyed(key)).wantReplay(t, first.wantOutcome(t, "done"), "done")
			remove := assignFreeRange()
			remove.method = http.MethodDelete
			r.call(t, remove).wantStatus(t, http.StatusOK)
		})
	}
}

// A key that cannot be one is refused together with all else that is wrong, and
// changes nothing.
func TestKeysThatAreRefused(t *testing.T) {
	r := start(t, setup{})
	for name, keys := range map[string][]string{
		"empty":                    {""},
		"empty, in quotes":         {`""`},
		"256 characters":           {strings.Repeat("x", 256)},
		"256 characters in quotes": {`"` + strings.Repeat("x", 256) + `"`},
		"a blank within":           {"a b"},
		"blanks alone":             {"  "},
		"a tab":                    {"a\tb"},
		"letters above ASCII":      {"é"},
		"half of the quotes":       {`"k`},
		"the other half":           {`k"`},
		"one quote":                {`"`},
		"quotes within":            {`"a"b"`},
		"given twice":              {"k", "k"},
		"given twice, differently": {"k", "l"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, w := range writings() {
				asked := w.call.with("Idempotency-Key", keys...)
				got := r.call(t, asked)
				told := got.wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
				got.wantOutcome(t, "not_done")
				if len(told.Details.Problems) != 1 || told.Details.Problems[0].Parameter != "Idempotency-Key" {
					t.Errorf("problems %+v", told.Details.Problems)
				}

				asked = w.elsewhere("%20").with("Idempotency-Key", keys...)
				asked.body = strings.TrimSuffix(w.call.body, "}") + `,"more":1}`
				told = r.call(t, asked).wantError(t, http.StatusBadRequest, "JSON_SCHEMA_VALIDATION")
				if len(told.Details.Problems) != 3 || !strings.Contains(told.Message, "Idempotency-Key must be") {
					t.Errorf("not all is told: %s, %+v", told.Message, told.Details.Problems)
				}
			}
		})
	}
	if heard := r.platform.Ledger(); len(heard) != 0 {
		t.Errorf("the platform heard %d commands", len(heard))
	}
}

// Reads have no use for a key, nor anything against one.
func TestKeyOfARead(t *testing.T) {
	r := start(t, setup{})
	for range 2 {
		got := r.call(t, call{path: ownList("numbers"), client: system}.with("Idempotency-Key", "a b", "c"))
		got.wantFirst(t, http.StatusOK)
	}
}

// Callers who all send the same are told the same truth, or to wait, and exactly
// one write reaches the platform.
func TestManyCallersWithOneKey(t *testing.T) {
	for _, c := range []struct {
		fault   string
		applied int
		error   string // "" for the good answer
	}{
		{"slow delay=2s", 1, ""},
		{"drop-after-apply", 1, ""},
		{"stall-after-apply", 1, ""},
		{"error-after-apply", 1, ""},
		{"drop-before-apply", 0, "OPERATION_NOT_DONE"},
		{"stall", 0, "OPERATION_NOT_DONE"},
		{"error-before-apply", 0, "PLATFORM_REFUSED"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			inTime(t, setup{faults: []string{withCommand(c.fault, assignCommand)}}, func(t *testing.T, r *rig) {
				const callers = 20
				ends := make(chan answer, callers)
				for i := range callers {
					go func() {
						ends <- r.persist(t, assignFreeRange().keyed("k").with("X-Request-Id", fmt.Sprintf("caller-%d", i)))
					}()
				}
				firsts, ids := 0, map[string]bool{}
				for range callers {
					got := <-ends
					if c.error == "" {
						got.wantStatus(t, http.StatusCreated)
					} else {
						got.wantError(t, http.StatusBadRequest, c.error)
					}
					ids[got.header.Get("Operation-Id")] = true
					if got.header.Get("Idempotency-Replayed") == "" {
						firsts++
					}
				}
				if len(ids) != 1 || firsts > 1 {
					t.Errorf("%d operations, %d answers that are no replays", len(ids), firsts)
				}
				r.wantWrites(t, 1, c.applied)
			})
		})
	}
}

// persist sends a request again, as its answers advise, until there is an end.
func (r *rig) persist(t testing.TB, c call) answer {
	t.Helper()
	for range 100 {
		got := r.call(t, c)
		if got.status != http.StatusConflict && got.status != http.StatusGatewayTimeout {
			return got
		}
		time.Sleep(got.retryAfter(t))
	}
	t.Error("there is no end")
	return answer{}
}
