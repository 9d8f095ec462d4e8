package translate

// This file specifies the limits of problems in an error, which only the package
// can see.

import (
	"fmt"
	"strings"
	"testing"

	"ocigate/translate/errcode"
)

func TestProblemsAreLimited(t *testing.T) {
	var keys strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&keys, `"k%d":1,`, i)
	}
	long := strings.Repeat("x", 1000)
	for name, body := range map[string]string{
		"many keys":    "{" + keys.String() + `"numbers":[{"minPhoneNumber":"1"}]}`,
		"many entries": `{"numbers":[` + strings.Repeat(`{"minPhoneNumber":"x"},`, 5000) + `{"minPhoneNumber":"1"}]}`,
		"both":         "{" + keys.String() + `"numbers":[` + strings.Repeat(`{},`, 5000) + `{}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rangesShape.Decode([]byte(body))
			apiError := errcode.Of(err)
			if len(apiError.Problems) != maxProblems+1 {
				t.Fatalf("%d problems", len(apiError.Problems))
			}
			if last := apiError.Problems[maxProblems]; last.Reason != "has more problems, which are not listed" {
				t.Errorf("the last is %v", last)
			}
		})
	}
	t.Run("a long key", func(t *testing.T) {
		_, err := rangesShape.Decode([]byte(`{"` + long + `":1,"numbers":[{"minPhoneNumber":"1"}]}`))
		if apiError := errcode.Of(err); len(apiError.Problems) != 1 || len(apiError.Problems[0].Pointer) > 2*maxKeyInProblem {
			t.Errorf("problems %v", apiError.Problems)
		}
	})
}
