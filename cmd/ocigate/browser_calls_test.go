package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ocigate/gateway"
	"ocigate/gateway/openapi"
)

// These tests make calls from the pages in a real browser. A new route needs an entry in
// browserCalls.

// A browserCall is a call of the viewer, with the examples of the description for what it
// does not give.
type browserCall struct {
	route  string            // its name, which is the operationId
	params map[string]string // replace the examples of parameters
	body   string            // replaces the example of the body
	status int
	has    string // a part of the response
}

// browserCalls returns a call of every route, in an order in which the examples succeed.
func browserCalls() []browserCall {
	return []browserCall{
		{route: "itc_numbers_list", status: 200, has: `"minPhoneNumber": "+3226127000"`},
		{route: "itc_available_numbers_list", status: 200, has: `"available_numbers"`},
		{route: "itc_prefixes_list", status: 200, has: `"prefix": "+32-01"`},
		{route: "itc_available_prefixes_list", status: 200, has: `"available_prefixes"`},
		{route: "itc_tenant_numbers_list", status: 200, has: `"groupId"`},
		{route: "itc_tenant_available_numbers_list", status: 200, has: `"+3225126999"`},
		{route: "itc_tenant_prefixes_list", status: 200, has: `"prefixes"`},
		{route: "itc_tenant_available_prefixes_list", status: 200, has: `"available_prefixes"`},
		{route: "api_index", status: 200, has: `"route": "itc_numbers_list"`},
		{route: "itc_user_get", status: 200, has: `"numbers"`},
		{route: "itc_user_set", status: 200},
		{route: "itc_numbers_assign", status: 201},
		{route: "operation_get", params: map[string]string{"operation_id": lastOperation}, status: 200, has: `"state": "done"`},
		{route: "operations_list", status: 200, has: `"endpoint": "itc_numbers_assign"`},
		{route: "itc_numbers_remove", status: 200},
		// The user has +3226127007 by now, which the example would remove.
		{route: "itc_numbers_set", body: `{"numbers":[{"minPhoneNumber":"+3226127007"},{"minPhoneNumber":"+3225126999"}]}`, status: 200, has: `"status": "added"`},
		{route: "itc_numbers_remove_by_post", status: 200},
		{route: "itc_prefixes_assign", status: 201},
		{route: "itc_prefixes_remove", status: 200},
		{route: "itc_prefixes_remove_by_post", status: 400, has: `"code": 19`}, // they were removed
		{route: "itc_prefixes_assign", status: 201},
		{route: "itc_prefixes_remove_by_post", status: 200},
		{route: "itc_prefixes_set", status: 200, has: `"status": "added"`},
		{route: "login", status: 200, has: `"access_token"`},
		{route: "logout", status: 200},
	}
}

// describedCalls returns the tags and the statuses of the description, by operationId.
func describedCalls(t *testing.T) (tags map[string]string, statuses map[string][]string) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(openapi.JSON(), &document); err != nil {
		t.Fatal(err)
	}
	tags, statuses = map[string]string{}, map[string][]string{}
	for _, methods := range document.Paths {
		for method, raw := range methods {
			if method == "parameters" {
				continue
			}
			var operation struct {
				ID        string                     `json:"operationId"`
				Tags      []string                   `json:"tags"`
				Responses map[string]json.RawMessage `json:"responses"`
			}
			if err := json.Unmarshal(raw, &operation); err != nil {
				t.Fatal(err)
			}
			tags[operation.ID] = operation.Tags[0]
			for status := range operation.Responses {
				statuses[operation.ID] = append(statuses[operation.ID], status)
			}
		}
	}
	return tags, statuses
}

// callScript makes a call in the viewer as a reader does: it opens the route, presses Try
// it out, changes parameters, presses Execute, and returns what is shown.
const callScript = `(async (tag, id, params, body) => {
  const block = await until(() => document.getElementById("operations-" + tag + "-" + id));
  if (!block.classList.contains("is-open")) block.querySelector(".opblock-summary-control").click();
  const tryIt = await until(() => block.querySelector(".try-out__btn"));
  if (!tryIt.classList.contains("cancel")) tryIt.click();
  const execute = await until(() => block.querySelector(".execute"));
  const clear = block.querySelector(".btn-clear"); // of a call before
  if (clear) clear.click();
  await until(() => !block.querySelector(".live-responses-table"));
  const fill = (field, value) => {
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, value);
    for (const type of ["input", "change", "focusout"]) field.dispatchEvent(new Event(type, { bubbles: true }));
  };
  for (const [name, value] of Object.entries(params)) {
    fill(await until(() => block.querySelector('tr[data-param-name="' + name + '"] input:not([disabled])')), value);
  }
  if (body) fill(await until(() => block.querySelector("textarea.body-param__text")), body);
  await new Promise((resolve) => setTimeout(resolve, 50)); // for the state of the form
  execute.click();
  const live = await until(() => block.querySelector(".live-responses-table .response"));
  const shown = {
    status: live.querySelector(".response-col_status").firstChild.textContent.trim(),
    body: (live.querySelector(".highlight-code code, .microlight") || { textContent: "" }).textContent,
    text: live.textContent,
    url: block.querySelector(".request-url .microlight, .request-url pre").textContent,
  };
  block.querySelector(".opblock-summary-control").click();
  return shown;
})(%s, %s, %s, %s)`

// shown is what the viewer shows of a response.
type shown struct {
	Status string `json:"status"`
	Body   string `json:"body"`
	Text   string `json:"text"` // with the headers
	URL    string `json:"url"`
}

// call makes a call in the viewer.
func (b *browserRig) call(t *testing.T, tag string, c browserCall) shown {
	t.Helper()
	params := c.params
	if params == nil {
		params = map[string]string{}
	}
	given, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(c.route) // the last one is the one that does not end
	return eval[shown](t, b, fmt.Sprintf(callScript, strconv.Quote(tag), strconv.Quote(c.route), given, strconv.Quote(c.body)))
}

// TestBrowserMakesEveryCall calls every route of the description from its page.
func TestBrowserMakesEveryCall(t *testing.T) {
	rig := browse(t)
	rig.open(t, "/docs/reference/")
	tags, statuses := describedCalls(t)
	made := map[string]bool{}
	operation, token := "", ""
	for _, c := range browserCalls() {
		for name, value := range c.params {
			if value == lastOperation {
				c.params[name] = operation
			}
		}
		if c.route == "logout" {
			rig.authorize(t, token)
		}
		got := rig.call(t, tags[c.route], c)
		if got.Status != strconv.Itoa(c.status) || !slices.Contains(statuses[c.route], got.Status) || !strings.Contains(got.Body, c.has) {
			t.Errorf("%s: the page shows the status %s, want %d, documented are %v:\n%s", c.route, got.Status, c.status, statuses[c.route], got.Text)
		}
		if !strings.HasPrefix(got.URL, rig.base+"/api/v1/") {
			t.Errorf("%s: the call went to %s", c.route, got.URL)
		}
		made[c.route] = true
		if _, after, ok := strings.Cut(got.Text, "operation-id: "); ok {
			operation = after[:36]
		}
		if c.route == "login" {
			var body struct {
				Token string `json:"access_token"`
			}
			if err := json.Unmarshal([]byte(got.Body), &body); err != nil || body.Token == "" {
				t.Fatalf("the page shows no token: %v\n%s", err, got.Body)
			}
			token = body.Token
		}
	}
	for _, route := range gateway.Table() {
		if !made[route.Name] {
			t.Errorf("%s was not called", route.Name)
		}
	}
	rig.check(t)
}

// authorizeScript enters a token in the dialog of the viewer.
const authorizeScript = `(async (token) => {
  document.querySelector(".btn.authorize").click();
  const dialog = await until(() => document.querySelector(".dialog-ux .modal-ux"));
  const input = await until(() => dialog.querySelector("#auth-bearer-value"));
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, token);
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.closest("form").querySelector("button.authorize").click();
  await until(() => !document.querySelector("#auth-bearer-value"));
  dialog.querySelector(".btn-done").click();
  return true;
})(%s)`

func (b *browserRig) authorize(t *testing.T, token string) {
	t.Helper()
	eval[bool](t, b, fmt.Sprintf(authorizeScript, strconv.Quote(token)))
}
