package gateway_test

import (
	"net/http"
	"testing"

	"ocigate/oci"
)

// The metric of refused replies.

// The first refusal must be an increase of something that was there.
func TestEveryReasonToRefuseAReplyIsThereFromTheStart(t *testing.T) {
	r := start(t, setup{})
	want := map[string]float64{}
	for _, why := range oci.Refusals() {
		want["primary "+string(why)] = 0
	}
	wantCounted(t, r, "ocigate_platform_replies_refused_total", want)
	r.inject(t, "foreign-echo times=1 command=GroupServiceGetAuthorizationRequest")
	r.get(t, "numbers").wantStatus(t, http.StatusOK) // it is asked for again
	want["primary foreign"] = 1
	wantCounted(t, r, "ocigate_platform_replies_refused_total", want)
}
