package gateway_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
)

// These tests specify what becomes of a token that was logged out: in this process, in the
// next one, and while the journal is not usable.

// tokenProcess returns the setup of a process that keeps its revocations in the journal of a
// folder, empty for a new one.
func tokenProcess(folder, owner string) setup {
	var set *auth.Revocations
	return setup{
		folder: folder,
		auth: func(o *auth.Options) {
			set = auth.NewRevocations() // when the process starts
			o.Keys, o.Revocations = []auth.Key{{ID: "a", Secret: auth.Secret(strings.Repeat("k", 32))}}, set
		},
		journal: func(o *operation.Options) {
			o.Owner = owner
			o.Revoked = func(list []operation.Revocation) {
				for _, r := range list {
					set.Load([]auth.Revocation{auth.Revocation(r)})
				}
				set.Load(nil)
			}
		},
	}
}

// restarted returns the next process, on a copy of the journal as it is now.
func (r *rig) restarted(t testing.TB) *rig {
	t.Helper()
	synctest.Wait()
	folder := t.TempDir()
	must(t, os.CopyFS(folder, os.DirFS(r.folder)))
	next := tokenProcess(folder, "next").connect(t, r.platform)
	<-next.keeper.RevocationsTried()
	return next
}

func (r *rig) logout(t testing.TB, token string) {
	t.Helper()
	r.call(t, call{method: http.MethodPost, path: "/api/v1/logout/", header: bearer(token)}).wantStatus(t, http.StatusOK)
}

func (r *rig) wantToken(t testing.TB, token string, status int) {
	t.Helper()
	r.call(t, call{path: ownList("numbers"), header: bearer(token)}).wantStatus(t, status)
}

func TestLogoutIsKeptInTheJournal(t *testing.T) {
	t.Parallel()
	inBubble(t, tokenProcess("", "test"), func(t *testing.T, r *rig) {
		ended, _ := r.login(t, "groupadmin")
		other, _ := r.login(t, "groupadmin")
		r.logout(t, ended.Token)
		for _, at := range []*rig{r, r.restarted(t)} {
			at.wantToken(t, ended.Token, http.StatusUnauthorized)
			at.wantToken(t, other.Token, http.StatusOK)
		}
		if e := last(r.events(t)); e.Kind != operation.EventLogout || e.Route != "logout" || e.Outcome != "ok" {
			t.Errorf("the last line is %+v", e)
		}
	})
}

func TestLogoutWhileTheJournalIsNotUsable(t *testing.T) {
	t.Parallel()
	inBubble(t, tokenProcess("", "test"), func(t *testing.T, r *rig) {
		ended, _ := r.login(t, "groupadmin")
		other, _ := r.login(t, "groupadmin")
		restore := r.breakJournal(t)
		r.logout(t, ended.Token)
		r.wantToken(t, ended.Token, http.StatusUnauthorized)
		if failures := counted(t, r, "ocigate_journal_failures_total")[""]; failures < 1 {
			t.Errorf("%v failures are counted", failures)
		}
		time.Sleep(time.Minute)
		restore()
		time.Sleep(10 * time.Second)
		next := r.restarted(t)
		next.wantToken(t, ended.Token, http.StatusUnauthorized)
		next.wantToken(t, other.Token, http.StatusOK)
		if e := last(r.events(t)); e.Kind != operation.EventLogout {
			t.Errorf("the last line is %+v", e)
		}
	})
}

// A token that is older than a process is refused until the process has read the journal, and
// everything else is served.
func TestStartWithoutAJournal(t *testing.T) {
	t.Parallel()
	inBubble(t, tokenProcess("", "test"), func(t *testing.T, r *rig) {
		ended, _ := r.login(t, "groupadmin")
		other, _ := r.login(t, "groupadmin")
		r.logout(t, ended.Token)
		time.Sleep(2 * time.Second)
		folder := filepath.Join(t.TempDir(), "journal")
		must(t, os.WriteFile(folder, nil, 0o600)) // so that not even root can write into it
		next := tokenProcess(folder, "next").connect(t, r.platform)
		time.Sleep(time.Minute)
		for _, token := range []string{ended.Token, other.Token} {
			got := next.call(t, call{path: ownList("numbers"), header: bearer(token)})
			got.wantError(t, http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
			got.wantRetryAfter(t)
			if !strings.Contains(got.body, "The token is older") {
				t.Errorf("%s", got.body)
			}
		}
		next.call(t, call{path: ownList("numbers"), client: system}).wantStatus(t, http.StatusOK)
		next.call(t, loginCall("groupadmin", "groupadmin-demo")).wantError(t, http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
		synctest.Wait()
		must(t, os.Remove(folder))
		must(t, os.CopyFS(folder, os.DirFS(r.folder)))
		time.Sleep(10 * time.Second)
		next.wantToken(t, ended.Token, http.StatusUnauthorized)
		next.wantToken(t, other.Token, http.StatusOK)
	})
}
