#!/usr/bin/env python3
"""Assign a number range of a tenant to a group, and find out whether that was done.

Usage: python3 assign.py TENANT GROUP START [KEY]

START is the first number of the range. GATEWAY_URL, GATEWAY_USERNAME and
GATEWAY_PASSWORD are environment variables. After an interruption, or if the outcome is
not known, run the program again with the KEY that it has printed: with the same key,
nothing is done twice.

The exit status is 0 if the range was assigned, 1 if it was not, 2 if that is not known.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

ATTEMPTS = 10  # of one call
TIMEOUT = 90  # seconds


class Response:
    """The response to a call. Its status is 0 if there was none."""

    def __init__(self, status=0, headers=None, text=b""):
        self.status, self.headers = status, headers or {}
        self.lost = False  # whether the response to an earlier attempt was lost
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        self.body = body if isinstance(body, dict) else {}  # not from ocigate, or none
        self.error = self.body.get("errors", [{}])[0]
        details = self.error.get("details", {})
        # The path of a write that may have been done, or was done in part.
        self.operation = details.get("operation") if status in (502, 504) else None

    def is_final(self):
        """Return whether there is no reason to make the same call again."""
        if self.status == 409:  # another change, or the first attempt, still runs
            return "Retry-After" not in self.headers
        return bool(self.operation) or not (self.status in (0, 429) or self.status >= 500)

    def is_not_done(self):
        """Return whether a write that is to be made again was not done. A 503 without
        an outcome is that of a proxy, which may have lost the response."""
        return self.status in (409, 429) or self.status == 503 and "Operation-Outcome" in self.headers

    def wait(self):
        """Wait as long as the response demands, or a second."""
        seconds = self.headers.get("Retry-After", "")
        time.sleep(int(seconds) if seconds.isdigit() else 1)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Treat a redirect as an error: urllib would repeat a POST as a GET."""

    def redirect_request(self, *args, **kwargs):
        return None


OPENER = urllib.request.build_opener(NoRedirect)
HEADERS = {"Content-Type": "application/json"}


def send(method, path, body, headers):
    """Make a call once."""
    data = None if body is None else json.dumps(body).encode()
    url = os.environ["GATEWAY_URL"].rstrip("/") + path
    request = urllib.request.Request(url, data, {**HEADERS, **headers}, method=method)
    try:
        try:
            response = OPENER.open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:  # any status but 2xx
            response = error
        with response:
            return Response(response.status, response.headers, response.read())
    except (OSError, http.client.HTTPException):
        return Response()


def call(method, path, body=None, headers={}, lost=False):
    """Make a call until its response is final. The call must be safe to repeat: a
    read, a login, or a write with an Idempotency-Key. It may have been made before
    with a response that was lost."""
    for attempt in range(ATTEMPTS):
        if attempt > 0:
            response.wait()
        response = send(method, path, body, headers)
        response.lost = lost
        if response.is_final():
            break
        lost = lost or not response.is_not_done()
    return response


def outcome(response):
    """Return what a write has done: done, not_done, partly_done or unknown."""
    path = response.operation
    while path:
        print("not known yet, reading", path, flush=True)
        response.wait()
        response = call("GET", path)
        if response.status != 200 or "Retry-After" not in response.headers:  # nothing more will be known
            return response.body.get("outcome", "unknown")
    reported = response.headers.get("Operation-Outcome", "unknown")
    if response.status in (200, 201, 207) or reported == "unknown" and response.status in (409, 503):
        return reported
    if response.status in (401, 403, 429, 503):  # it is about the last attempt only
        return "unknown" if response.lost else "not_done"
    return "not_done" if 400 <= response.status < 500 else "unknown"


def print_error(response):
    if not response.error:
        print("error: status", response.status)
        return
    print("error {code} {name}: {message}".format(**response.error))
    details = response.error.get("details", {})
    for problem in details.get("problems", []):
        print(" ", problem.get("pointer", problem.get("parameter")), problem["reason"])
    for refusal in details.get("errors", {}).values():
        print("  platform:", refusal["summary"])


def main(tenant, group, start, key=None):
    credentials = {"username": os.environ["GATEWAY_USERNAME"], "password": os.environ["GATEWAY_PASSWORD"]}
    response = call("POST", "/api/v1/login/", credentials)
    if response.status != 200:
        print_error(response)
        return 2 if key else 1
    HEADERS["Authorization"] = "Bearer " + response.body["access_token"]

    ids = [urllib.parse.quote(name, safe="") for name in (tenant, group)]
    numbers = "/api/v1/tenant/{}/group/{}/services/immediate_trunking_connectivity/numbers/".format(*ids)
    response = call("GET", numbers)
    if response.status != 200:
        print_error(response)
        return 2 if key else 1
    for entry in response.body["numbers"]:
        print(entry["minPhoneNumber"], entry["maxPhoneNumber"], entry["userId"] or "free")

    again = key is not None
    key = key or str(uuid.uuid4())
    print("key", key, flush=True)  # before the call, so that an interruption does not lose it
    response = call("POST", numbers, {"numbers": [{"minPhoneNumber": start}]}, {"Idempotency-Key": key}, again)
    result = outcome(response)
    if response.status not in (200, 201):
        print_error(response)
    print("outcome", result)
    return {"done": 0, "not_done": 1}.get(result, 2)


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
