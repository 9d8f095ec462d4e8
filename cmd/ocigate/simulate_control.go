package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"ocigate/gateway/operation/bolt"
	"ocigate/oci/ocisim"
)

// A simulated platform that runs is controlled by a socket: HTTP with JSON, for the
// commands of this program. The name of the socket has the address of the platform, so
// several platforms have one each. Only the same user, and root, can connect to it.

// simulationFolder returns the folder of the sockets of this user's simulated platforms.
func simulationFolder() string {
	return filepath.Join(os.TempDir(), "ocigate-sim-"+strconv.Itoa(os.Getuid()))
}

// simulationSocket returns the name of the socket of the platform at an address.
func simulationSocket(platform string) string { return platform + simulationSuffix }

const simulationSuffix = ".sock"

// controlSimulation serves the socket of a platform that listens at that address, until
// stop is called. stop must be called before the address is free again.
func controlSimulation(platform *ocisim.Platform, address net.Addr) (stop func(), err error) {
	folder := simulationFolder()
	path := filepath.Join(folder, simulationSocket(address.String()))
	var listener net.Listener
	for range socketTries { // the last platform to end removes the folder
		if listener, err = listenSimulation(folder, path); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: simulationHandler(platform), ReadTimeout: controlTime, WriteTimeout: controlTime}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with the server
	}()
	return func() {
		_ = server.Close()
		<-served
		_ = os.Remove(path)   // a socket that is left does not answer
		_ = os.Remove(folder) // it fails if the folder has other sockets
	}, nil
}

// socketTries is how often the socket is opened while other platforms remove its folder.
const socketTries = 100

// listenSimulation creates the folder if it does not exist, and the socket. The error is
// [fs.ErrNotExist] if the folder was removed meanwhile.
func listenSimulation(folder, path string) (listener net.Listener, err error) {
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := bolt.CheckOwnFolder(folder); err != nil {
		return nil, err
	}
	// Whoever has the address has the socket: one that exists is of a process that was killed.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	err = withShortPath(path, func(short string) error {
		listener, err = new(net.ListenConfig).Listen(context.Background(), "unix", short)
		return err
	})
	if err != nil {
		return nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // the short path may lead elsewhere by then
	return listener, nil
}

// simulatedFault is a fault that acts in a simulated platform.
type simulatedFault struct {
	ID    int    `json:"id"`
	Fault string `json:"fault"`
	Hits  int    `json:"hits"`
}

func faultOf(i *ocisim.Injection) simulatedFault {
	return simulatedFault{ID: i.ID(), Fault: i.Fault().String(), Hits: i.Hits()}
}

// disconnection is the order to end all connections of a simulated platform.
type disconnection struct {
	Logout string `json:"logout"` // reason of a LogoutRequest, empty for none
}

// The paths of the socket.
const (
	simulationFaults     = "/v1/faults"
	simulationDisconnect = "/v1/disconnect"
)

// simulationHandler serves the faults of a platform.
func simulationHandler(platform *ocisim.Platform) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+simulationFaults, func(w http.ResponseWriter, _ *http.Request) {
		all := []simulatedFault{}
		for _, i := range platform.Injections() {
			all = append(all, faultOf(i))
		}
		answer(w, all, nil)
	})
	mux.HandleFunc("POST "+simulationFaults, func(w http.ResponseWriter, r *http.Request) {
		var fault ocisim.Fault
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBytes)).Decode(&fault)
		if err != nil {
			answer(w, nil, err)
			return
		}
		injected, err := platform.Inject(fault)
		if err != nil {
			answer(w, nil, err)
			return
		}
		answer(w, faultOf(injected), nil)
	})
	mux.HandleFunc("DELETE "+simulationFaults+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		for _, i := range platform.Injections() {
			if strconv.Itoa(i.ID()) == r.PathValue("id") {
				i.Remove()
				answer(w, faultOf(i), nil)
				return
			}
		}
		answer(w, nil, fmt.Errorf("there is no fault %s", r.PathValue("id")))
	})
	mux.HandleFunc("POST "+simulationDisconnect, func(w http.ResponseWriter, r *http.Request) {
		var order disconnection
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBytes)).Decode(&order)
		if err != nil {
			answer(w, nil, err)
			return
		}
		ended := len(platform.Connections())
		if order.Logout != "" {
			platform.LogoutAll(order.Logout)
		} else {
			platform.Restart()
		}
		answer(w, ended, nil)
	})
	return mux
}
