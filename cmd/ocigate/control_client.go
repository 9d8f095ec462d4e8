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
)

// controlDesk is the desk of a running gateway.
type controlDesk struct{ client *http.Client }

// dialControl finds the gateway that has the folder of a journal. The error says
// that none answers.
func dialControl(ctx context.Context, folder string) (*controlDesk, error) {
	dial := func(ctx context.Context) (conn net.Conn, err error) {
		err = withShortPath(filepath.Join(folder, controlSocket), func(short string) error {
			conn, err = new(net.Dialer).DialContext(ctx, "unix", short)
			return err
		})
		return conn, err
	}
	first, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	_ = first.Close() // it was only tried
	return &controlDesk{&http.Client{
		Timeout:   2 * controlTime,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }},
	}}, nil
}

// call makes a request. The host of its URL is nobody's.
func (d *controlDesk) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	u := url.URL{Scheme: "http", Host: "gateway", Path: path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := d.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	return readBody(response, into)
}

func (d *controlDesk) list(ctx context.Context, q operation.Query) (found []standing, err error) {
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
	err = d.call(ctx, http.MethodGet, controlOperations, query, nil, &found)
	return found, err
}

func (d *controlDesk) show(ctx context.Context, id string) (found standing, err error) {
	err = d.call(ctx, http.MethodGet, controlOperations+"/"+id, nil, nil, &found)
	return found, err
}

func (d *controlDesk) release(ctx context.Context, order operation.Release) (released standing, err error) {
	err = d.call(ctx, http.MethodPost, controlOperations+"/"+order.ID+controlRelease, nil, order, &released)
	return released, err
}

func (d *controlDesk) close() error {
	d.client.CloseIdleConnections()
	return nil
}
