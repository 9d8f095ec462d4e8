package ocisim_test

import (
	"fmt"
	"io"
	"net"
	"strings"

	"ocigate/oci/ocisim"
)

// The server is seeded, misbehaves once and reports the commands that it received.
func Example() {
	server := ocisim.NewServer(ocisim.DemoSeed())
	defer func() { _ = server.Close() }() // never fails

	fault, err := ocisim.ParseFault("drop-after-apply command=Authentication* times=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	injection, err := server.Inject(fault)
	if err != nil {
		fmt.Println(err)
		return
	}

	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.Copy(conn, strings.NewReader(`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
		<sessionId xmlns="">example</sessionId>
		<command xsi:type="AuthenticationRequest" xmlns=""><userId>gateway</userId></command>
	</BroadsoftDocument>`))
	reply, _ := io.ReadAll(conn)

	fmt.Printf("reply: %q\n", reply)
	fmt.Println("hits:", injection.Hits())
	for _, entry := range server.Ledger() {
		fmt.Println(entry.Command, entry.User, entry.Applied, entry.Faults)
	}
	// Output:
	// reply: ""
	// hits: 1
	// AuthenticationRequest gateway true [drop-after-apply]
}
