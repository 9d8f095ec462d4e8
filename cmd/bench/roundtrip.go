//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// roundTripRole sends the document in a file to a platform repeatedly, over persistent
// connections, and searches only for the end of the replies: the cost of requests to the
// platform without parsing. For the line "8 500", it uses 8 connections for 500 ms. It answers
// with the number of round trips and the median time of those on the first connection, in
// nanoseconds.
func roundTripRole(arguments []string, in io.Reader, out io.Writer) error {
	document, err := os.ReadFile(arguments[1]) //nolint:gosec // the platform made it
	if err != nil {
		return err
	}
	conns, err := rawConns(arguments[0])
	if err != nil {
		return err
	}
	return beRole(in, out, conns[0].LocalAddr(), func(line string) (string, error) {
		var use, milliseconds int
		if _, err := fmt.Sscan(line, &use, &milliseconds); err != nil {
			return "", err
		}
		end := time.Now().Add(time.Duration(milliseconds) * time.Millisecond)
		took := make([][]float64, use)
		problems := make([]error, use)
		var trips sync.WaitGroup
		for i, conn := range conns[:use] {
			trips.Go(func() { took[i], problems[i] = roundTrips(conn, document, end) })
		}
		trips.Wait()
		count := 0
		for _, list := range took {
			count += len(list)
		}
		return fmt.Sprint(count, median(took[0])), errors.Join(problems...)
	})
}

// rawConn is a connection to the platform for raw round trips.
type rawConn struct {
	net.Conn
	buffer []byte
}

// rawConns returns as many connections as the pairs have callers.
func rawConns(platform string) ([]*rawConn, error) {
	var conns []*rawConn
	for range callersOfPairs {
		conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", platform)
		if err != nil {
			return nil, err
		}
		conns = append(conns, &rawConn{Conn: conn})
	}
	return conns, nil
}

// roundTrip sends a document and reads until the end of its reply.
func (c *rawConn) roundTrip(document []byte) error {
	_, err := c.Write(document)
	if err == nil {
		c.buffer, err = readDocument(c, c.buffer)
	}
	return err
}

func roundTrips(conn *rawConn, document []byte, end time.Time) ([]float64, error) {
	var took []float64
	if err := conn.SetDeadline(end.Add(patience)); err != nil {
		return nil, err
	}
	for start := time.Now(); start.Before(end); {
		if err := conn.roundTrip(document); err != nil {
			return nil, err
		}
		now := time.Now()
		took = append(took, float64(now.Sub(start)))
		start = now
	}
	return took, nil
}
