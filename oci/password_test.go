package oci

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Endpoint.PasswordSource. To add a case, let the source return another password or error at
// a chosen time, and check which login the platform gets.

// A source that fails is called every second, and reported once for each text
// in a row. The last good password is used meanwhile.
func TestAPasswordThatCannotBeReadIsReportedOnce(t *testing.T) {
	g := &guard{number: 4962}
	var lock sync.Mutex
	password, broken := Secret("old"), error(nil)
	set := func(p Secret, err error) {
		lock.Lock()
		defer lock.Unlock()
		password, broken = p, err
	}
	var reported []string
	withGuard(t, g, func(o *Options) {
		o.Endpoints[0].PasswordSource = func() (Secret, error) {
			lock.Lock()
			defer lock.Unlock()
			return password, broken
		}
		o.Trace.PasswordRead = func(endpoint string, err error) {
			lock.Lock()
			defer lock.Unlock()
			if err == nil {
				err = errors.New("good again")
			}
			reported = append(reported, endpoint+": "+err.Error())
		}
	}, func(t *testing.T, c *Client) {
		time.Sleep(10 * time.Second)
		for _, trouble := range []string{"it is being written", "it ends with a blank", "it is being written"} {
			set("bad", errors.New(trouble))
			time.Sleep(20 * time.Second)
		}
		g.wantTries(t, 0) // the refused one is not tried
		g.refuseWith(0)
		set("new", nil)
		time.Sleep(2 * time.Second)
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Error(err)
		}
	})
	want := []string{"primary: it is being written", "primary: it ends with a blank", "primary: it is being written", "primary: good again"}
	if diff := cmp.Diff(want, reported); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
