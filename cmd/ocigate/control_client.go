package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// controlClient is the manager of a running gateway, by its control socket.
type controlClient struct{ client *http.Client }

// dialControl connects to the gateway that has the folder of a journal open. It returns an
// error if none answers, and a [*bolt.UnsafeError] if another user may answer instead.
func dialControl(ctx context.Context, folder string) (*controlClient, error) {
	if err := bolt.CheckSocket(folder, controlSocket); err != nil {
		return nil, err
	}
	return dialSocket(ctx, filepath.Join(folder, controlSocket))
}

// dialSocket connects to a process by its socket. It returns an error if none answers.
func dialSocket(ctx context.Context, path string) (*controlClient, error) {
	dial := func(ctx context.Context) (conn net.Conn, err error) {
		err = withShortPath(path, func(short string) error {
			conn, err = new(net.Dialer).DialContext(ctx, "unix", short)
			return err
		})
		return conn, err
	}
	first, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	_ = first.Close() // it was only a test
	return &controlClient{&http.Client{
		Timeout:   2 * controlTime,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }},
	}}, nil
}

// call sends a request and reads the response. The host of the URL is not used.
func (c *controlClient) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	u := url.URL{Scheme: "http", Host: "gateway", Path: path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	return readBody(response, into)
}

func (c *controlClient) list(ctx context.Context, q operation.Query) (found []operationStatus, err error) {
	query := url.Values{queryLimit: {strconv.Itoa(q.Limit)}}
	for name, value := range map[string]string{
		queryTenant: q.Target.TenantID, queryGroup: q.Target.GroupID, queryUser: q.Target.UserID,
		queryState: string(q.State), queryBefore: q.Before,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if q.Open {
		query.Set(queryOpen, "")
	}
	err = c.call(ctx, http.MethodGet, controlOperations, query, nil, &found)
	return found, err
}

func (c *controlClient) show(ctx context.Context, id string) (found operationStatus, err error) {
	err = c.call(ctx, http.MethodGet, controlOperations+"/"+id, nil, nil, &found)
	return found, err
}

func (c *controlClient) release(ctx context.Context, order operation.Release) (released operationStatus, err error) {
	err = c.call(ctx, http.MethodPost, controlOperations+"/"+order.ID+controlRelease, nil, order, &released)
	return released, err
}

func (c *controlClient) endTokens(ctx context.Context, order operation.EndTokens) error {
	var done struct{}
	return c.call(ctx, http.MethodPost, controlEndTokens, nil, order, &done)
}

func (c *controlClient) close() error {
	c.client.CloseIdleConnections()
	return nil
}
