package errcode_test

import (
	"fmt"
	"io"

	"ocigate/translate/errcode"
)

func ExampleWrap() {
	err := errcode.Wrap(errcode.PlatformError, io.ErrUnexpectedEOF)

	fmt.Println(err)        // for the log
	fmt.Println(err.Text()) // for the caller
	fmt.Println(err.Code.Number, err.Code.Status)
	// Output:
	// PLATFORM_ERROR: unexpected EOF
	// The platform did not give a usable answer.
	// 1011 502
}

func ExampleInvalid() {
	err := errcode.Invalid(errcode.InvalidParameters,
		errcode.Problem{Parameter: "tenant_id", Reason: "must not be empty"},
		errcode.Problem{Pointer: "/numbers/0", Reason: "is missing"})

	fmt.Println(err.Text())
	// Output: tenant_id must not be empty; /numbers/0 is missing.
}
