package gateway

import (
	"testing"
	"time"
)

func TestSecondsAreRoundedUp(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		time.Millisecond: "1", time.Second: "1", time.Second + time.Millisecond: "2", time.Minute: "60",
	} {
		if got := seconds(wait); got != want {
			t.Errorf("%v: %s, want %s", wait, got, want)
		}
	}
}
