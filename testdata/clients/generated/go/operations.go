package main

import (
	"context"
	"io"
	"strings"

	"client/api"
)

// An operation makes a call with the generated client. The response is a pointer to the
// generated type of a response.
type operation func(ctx context.Context, c *Call) (response any, err error)

// operations returns the operations of the description by their ids.
func operations(client *api.ClientWithResponses) map[string]operation {
	return map[string]operation{
		"login":           write(client.LoginWithResponse, client.LoginWithBodyWithResponse),
		"logout":          read(client.LogoutWithResponse),
		"api_index":       read(client.ApiIndexWithResponse),
		"operations_list": read(client.OperationsListWithResponse),
		"operation_get":   readOne("operation_id", client.OperationGetWithResponse),

		"itc_numbers_list":            readGroup(client.ItcNumbersListWithResponse),
		"itc_numbers_assign":          writeGroup(client.ItcNumbersAssignWithResponse, client.ItcNumbersAssignWithBodyWithResponse),
		"itc_available_numbers_list":  readGroup(client.ItcAvailableNumbersListWithResponse),
		"itc_numbers_remove":          writeGroup(client.ItcNumbersRemoveWithResponse, client.ItcNumbersRemoveWithBodyWithResponse),
		"itc_numbers_remove_by_post":  writeGroup(client.ItcNumbersRemoveByPostWithResponse, client.ItcNumbersRemoveByPostWithBodyWithResponse),
		"itc_numbers_set":             writeGroup(client.ItcNumbersSetWithResponse, client.ItcNumbersSetWithBodyWithResponse),
		"itc_prefixes_list":           readGroup(client.ItcPrefixesListWithResponse),
		"itc_prefixes_assign":         writeGroup(client.ItcPrefixesAssignWithResponse, client.ItcPrefixesAssignWithBodyWithResponse),
		"itc_available_prefixes_list": readGroup(client.ItcAvailablePrefixesListWithResponse),
		"itc_prefixes_remove":         writeGroup(client.ItcPrefixesRemoveWithResponse, client.ItcPrefixesRemoveWithBodyWithResponse),
		"itc_prefixes_remove_by_post": writeGroup(client.ItcPrefixesRemoveByPostWithResponse, client.ItcPrefixesRemoveByPostWithBodyWithResponse),
		"itc_prefixes_set":            writeGroup(client.ItcPrefixesSetWithResponse, client.ItcPrefixesSetWithBodyWithResponse),

		"itc_tenant_numbers_list":            readOne("tenant_id", client.ItcTenantNumbersListWithResponse),
		"itc_tenant_available_numbers_list":  readOne("tenant_id", client.ItcTenantAvailableNumbersListWithResponse),
		"itc_tenant_prefixes_list":           readOne("tenant_id", client.ItcTenantPrefixesListWithResponse),
		"itc_tenant_available_prefixes_list": readOne("tenant_id", client.ItcTenantAvailablePrefixesListWithResponse),

		"itc_user_get": readUser(client.ItcUserGetWithResponse),
		"itc_user_set": writeUser(client.ItcUserSetWithResponse, client.ItcUserSetWithBodyWithResponse),
	}
}

// The functions of the generated client without their parameters of the path. P is the
// type of the other parameters, B that of the body, and R that of the response.
type (
	reader[P, R any]    = func(context.Context, *P, ...api.RequestEditorFn) (R, error)
	writer[P, B, R any] = func(context.Context, *P, B, ...api.RequestEditorFn) (R, error)
	sender[P, R any]    = func(context.Context, *P, string, io.Reader, ...api.RequestEditorFn) (R, error)
)

func read[P, R any](do reader[P, R]) operation {
	return func(ctx context.Context, c *Call) (any, error) {
		params, err := parametersOf[P](c)
		if err != nil {
			return nil, err
		}
		return do(ctx, params, c.authorize)
	}
}

// write makes a call whose body has the generated type, or, if the call has a media type,
// any other body.
func write[P, B, R any](do writer[P, B, R], send sender[P, R]) operation {
	return func(ctx context.Context, c *Call) (any, error) {
		params, err := parametersOf[P](c)
		if err != nil {
			return nil, err
		}
		if c.MediaType != "" {
			return send(ctx, params, c.MediaType, strings.NewReader(c.Body), c.authorize)
		}
		body, err := decode[B]([]byte(c.Body))
		if err != nil {
			return nil, err
		}
		return do(ctx, params, *body, c.authorize)
	}
}

func readOne[P, R any](name string, do func(context.Context, string, *P, ...api.RequestEditorFn) (R, error)) operation {
	return func(ctx context.Context, c *Call) (any, error) {
		return read(func(ctx context.Context, p *P, add ...api.RequestEditorFn) (R, error) {
			return do(ctx, c.Path[name], p, add...)
		})(ctx, c)
	}
}

func readGroup[P, R any](do func(context.Context, string, string, *P, ...api.RequestEditorFn) (R, error)) operation {
	return func(ctx context.Context, c *Call) (any, error) {
		return read(func(ctx context.Context, p *P, add ...api.RequestEditorFn) (R, error) {
			return do(ctx, c.Path["tenant_id"], c.Path["group_id"], p, add...)
		})(ctx, c)
	}
}

func writeGroup[P, B, R any](do func(context.Context, string, string, *P, B, ...api.RequestEditorFn) (R, error), send func(context.Context, string, string, *P, string, io.Reader, ...api.RequestEditorFn) (R, error)) operation {
	return func(ctx context.Context, c *Call) (any, error) {
		tenant, group := c.Path["tenant_id"], c.Path["group_id"]
		return write(func(ctx context.Context, p *P, body B, add ...api.RequestEditorFn) (R, error) {
			return do(ctx, tenant, group, p, body, add...)
		}, func(ctx context.Context, p *P, mediaType string, body io.Reader, add ...api.RequestEditorFn) (R, error) {
			return send(ctx, tenant, group, p, mediaType, body, add...)
		})(ctx, c)
	}
}

func readUser[P, R any](do func(context.Context, string, string, string, *P, ...api.RequestEditorFn) (R, error)) operation {
	return func(ctx context.Context, c *Call) (any, error) {
		return readGroup(func(ctx context.Context, tenant, group string, p *P, add ...api.RequestEditorFn) (R, error) {
			return do(ctx, tenant, group, c.Path["user_id"], p, add...)
		})(ctx, c)
	}
}

func writeUser[P, B, R any](do func(context.Context, string, string, string, *P, B, ...api.RequestEditorFn) (R, error), send func(context.Context, string, string, string, *P, string, io.Reader, ...api.RequestEditorFn) (R, error)) operation {
	return func(ctx context.Context, c *Call) (any, error) {
		return writeGroup(func(ctx context.Context, tenant, group string, p *P, body B, add ...api.RequestEditorFn) (R, error) {
			return do(ctx, tenant, group, c.Path["user_id"], p, body, add...)
		}, func(ctx context.Context, tenant, group string, p *P, mediaType string, body io.Reader, add ...api.RequestEditorFn) (R, error) {
			return send(ctx, tenant, group, c.Path["user_id"], p, mediaType, body, add...)
		})(ctx, c)
	}
}
