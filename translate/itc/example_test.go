package itc_test

import (
	"fmt"

	"ocigate/translate"
	"ocigate/translate/itc"
)

// A description needs no platform, and so no Reader.
func ExampleNew() {
	service, err := itc.New(translate.New(translate.Options{}), itc.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range service.RemoveNumbers().Describe().Writes {
		fmt.Println(name)
	}
	for _, f := range service.Numbers().Describe().Response.Fields {
		fmt.Println(f.Key)
	}
	// Output:
	// GroupRouteListEnterpriseTrunkNumberRangeUnassignListRequest
	// numbers
}
