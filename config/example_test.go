package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ocigate/config"
)

// This example loads a file, with environment variables over it.
func ExampleLoad() {
	folder, err := os.MkdirTemp("", "ocigate-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "ocigate.yaml")
	const text = `
platform:
  endpoints:
    - name: primary
      address: "ocs1.example.com:2209"
  user_id: "ocigate"
  password: {env: PLATFORM_PASSWORD}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	c, err := config.Load(path, []string{"PLATFORM_PASSWORD=hunter2", "OCIGATE_LOG_LEVEL=debug"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Platform.Endpoints[0].Address, c.Log.Level, c.Platform.Pool.Max, c.Platform.Password)

	_, err = config.Load(path, []string{"OCIGATE_LOG_LEVL=debug"})
	if problems, ok := errors.AsType[*config.Problems](err); ok {
		for _, p := range problems.List {
			fmt.Println(p.Path, p.Variable, p.Reason)
		}
	}
	// Output:
	// ocs1.example.com:2209 debug 8 [redacted]
	// platform.password  needs the environment variable PLATFORM_PASSWORD, which is not set
	//  OCIGATE_LOG_LEVL belongs to no key; did you mean OCIGATE_LOG_LEVEL?
}
