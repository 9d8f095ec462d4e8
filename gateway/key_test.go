package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/oci"
)

// Idempotency keys: whose they are, what they are for, and when they are used up. Replays
// are in key_replay_test.go.

// A key is for one content, whatever the blanks in its JSON are.
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

// Each caller has their own keys.
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
		first.client, first.header = anonymous, bearer(session.Token)
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
			c.call.client, c.call.header = anonymous, c.header[0]
			first := r.call(t, c.call.keyed("k"))
			first.wantFirst(t, http.StatusCreated)
			c.call.header = c.header[1]
			r.call(t, c.call.keyed("k")).wantReplay(t, first.wantOutcome(t, "done"), "done")
		}
	})
}

// Each route has its own keys.
func TestKeysOfSeveralRoutes(t *testing.T) {
	r := start(t, setup{})
	remove := writeCaseOf("itc_numbers_remove")
	r.call(t, assignFreeRange().keyed("k")).wantFirst(t, http.StatusCreated)
	r.call(t, remove.call.keyed("k")).wantFirst(t, http.StatusOK)
	byPost := writeCaseOf("itc_numbers_remove_by_post").call
	byPost.body = freeRange
	r.call(t, byPost.keyed("k")).wantFirst(t, http.StatusOK)
	r.wantWrites(t, 3, 3)
}

// A request that was refused before it was recorded, or that was never sent, does not use
// its key up.
func TestRefusalsDoNotUseAKeyUp(t *testing.T) {
	w := writeCaseOf("itc_numbers_assign")
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
			inBubble(t, c.setup, func(t *testing.T, r *rig) {
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
		inBubble(t, setup{platform: func(o *oci.Options) { o.MaxSessions, o.MaxWait = 1, time.Second }}, func(t *testing.T, r *rig) {
			r.inject(t, "slow delay=5s command=*PrefixGetSummaryListRequest")
			go r.get(t, "prefixes")
			synctest.Wait()
			r.call(t, w.call.keyed("k")).wantError(t, http.StatusServiceUnavailable, "PLATFORM_BUSY")
			time.Sleep(10 * time.Second)
			r.call(t, w.call.keyed("k")).wantFirst(t, http.StatusCreated)
		})
	})
	t.Run("a journal that is not usable", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			restore := r.breakJournal(t)
			r.call(t, w.call.keyed("k")).wantError(t, http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
			restore()
			r.call(t, w.call.keyed("k")).wantFirst(t, http.StatusCreated)
		})
	})
	t.Run("entries that are held", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			r.loseReply(t, w, "")
			r.call(t, w.call.keyed("k")).wantError(t, http.StatusConflict, "ENTRIES_HELD")
			time.Sleep(time.Minute)
			r.call(t, w.call.keyed("k")).wantFirst(t, http.StatusCreated)
		})
	})
}

func TestKeyExpires(t *testing.T) {
	s := setup{journal: func(o *operation.Options) { o.KeepKeys = time.Hour }}
	inBubble(t, s, func(t *testing.T, r *rig) {
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

func TestValidKeys(t *testing.T) {
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

// An invalid key is reported together with all other problems, and nothing is changed.
func TestInvalidKeys(t *testing.T) {
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
			for _, w := range writeCases() {
				asked := w.call.with("Idempotency-Key", keys...)
				got := r.call(t, asked)
				failure := got.wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
				got.wantOutcome(t, "not_done")
				if len(failure.Details.Problems) != 1 || failure.Details.Problems[0].Parameter != "Idempotency-Key" {
					t.Errorf("problems %+v", failure.Details.Problems)
				}

				asked = w.elsewhere("%20").with("Idempotency-Key", keys...)
				asked.body = strings.TrimSuffix(w.call.body, "}") + `,"more":1}`
				failure = r.call(t, asked).wantError(t, http.StatusBadRequest, "JSON_SCHEMA_VALIDATION")
				if len(failure.Details.Problems) != 3 || !strings.Contains(failure.Message, "Idempotency-Key must be") {
					t.Errorf("not all problems are reported: %s, %+v", failure.Message, failure.Details.Problems)
				}
			}
		})
	}
	if heard := r.platform.Ledger(); len(heard) != 0 {
		t.Errorf("the platform got %d commands", len(heard))
	}
}

// Reads ignore a key.
func TestKeyOfARead(t *testing.T) {
	r := start(t, setup{})
	for range 2 {
		got := r.call(t, call{path: ownList("numbers"), client: system}.with("Idempotency-Key", "a b", "c"))
		got.wantFirst(t, http.StatusOK)
	}
}
