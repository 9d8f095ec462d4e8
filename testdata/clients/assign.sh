#!/bin/sh
# Assign a number range of a tenant to a group, and find out whether that was done.
#
# Usage: sh assign.sh TENANT GROUP START [KEY]
#
# START is the first number of the range. GATEWAY_URL, GATEWAY_USERNAME and
# GATEWAY_PASSWORD are environment variables. After an interruption, or if the outcome is
# not known, run the script again with the KEY that it has printed: with the same key,
# nothing is done twice. It needs curl 7.55 or later, and jq.
#
# The exit status is 0 if the range was assigned, 1 if it was not, 2 if that is not known.
set -eu

[ $# -ge 3 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
: "${GATEWAY_URL:?}" "${GATEWAY_USERNAME:?}" "${GATEWAY_PASSWORD:?}"
export GATEWAY_USERNAME GATEWAY_PASSWORD
attempts=10 # of one call
lost='' not_begun=1
[ $# -lt 4 ] || { lost=yes not_begun=2; } # it may have been made before

umask 077 # the folder has the token
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
echo 'Content-Type: application/json' >"$work/send"

# member FILTER: a part of the JSON in the body, empty if it is not there.
member() { jq -r "($1) // empty" "$work/body" 2>/dev/null || :; }

# header NAME: a header of the response.
header() {
  tr -d '\r' <"$work/headers" | awk -v name="$1:" 'tolower($1) == tolower(name) { value = $2 } END { print value }'
}

# The path of a write that may have been done, or was done in part.
operation() {
  case $status in 502 | 504) member '.errors[0].details.operation' ;; esac
}

# Wait as long as the response demands, or a second.
pause() {
  seconds=$(header Retry-After)
  case $seconds in '' | *[!0-9]*) seconds=1 ;; esac
  sleep "$seconds"
}

# Whether there is no reason to make the same call again.
is_final() {
  case $status in
    000 | 429) return 1 ;;
    409) [ -z "$(header Retry-After)" ] ;; # another change, or the first attempt, still runs
    5??) [ -n "$(operation)" ] ;;
  esac
}

# call METHOD PATH [OPTION…]: make a call until its response is final. The call must be
# safe to repeat: a read, a login, or a write with an Idempotency-Key. The response is in
# status (000 if there was none), $work/headers and $work/body. If the response to an
# earlier attempt was lost, lost is not empty.
call() {
  method=$1 path=$2 attempt=1
  shift 2
  while :; do
    : >"$work/headers" >"$work/body"
    status=$(curl -s --max-time 90 -X "$method" -H @"$work/send" -D "$work/headers" -o "$work/body" -w '%{http_code}' "$@" "${GATEWAY_URL%/}$path") || status=000
    if is_final || [ "$attempt" -eq "$attempts" ]; then return; fi
    case $status-$(header Operation-Outcome) in 409-* | 429-* | 503-?*) ;; *) lost=yes ;; esac
    attempt=$((attempt + 1))
    pause
  done
}

# What a write has done: done, not_done, partly_done or unknown.
outcome() {
  path=$(operation)
  while [ -n "$path" ]; do
    echo "not known yet, reading $path" >&2
    pause
    call GET "$path"
    if [ "$status" != 200 ] || [ -z "$(header Retry-After)" ]; then # nothing more will be known
      outcome=$(member .outcome)
      echo "${outcome:-unknown}"
      return
    fi
  done
  reported=$(header Operation-Outcome)
  case $status-$reported in
    20[01]-?* | 207-?* | 409-unknown) echo "$reported" ;;
    503-) echo unknown ;; # of a proxy
    401-* | 403-* | 429-* | 503-*) if [ -n "$lost" ]; then echo unknown; else echo not_done; fi ;; # it is about the last attempt only
    4??-*) echo not_done ;;
    *) echo unknown ;;
  esac
}

print_error() {
  member '.errors[0] | "error \(.code) \(.name): \(.message)",
    (.details.problems[]? | "  \(.pointer // .parameter) \(.reason)"),
    (.details.errors[]? | "  platform: \(.summary)")' | grep . || echo "error: status $status"
}

# need_200: end unless the call before has succeeded.
need_200() {
  [ "$status" = 200 ] || { print_error; exit "$not_begun"; }
}

earlier=$lost
jq -n '{username: env.GATEWAY_USERNAME, password: env.GATEWAY_PASSWORD}' >"$work/login"
call POST /api/v1/login/ --data-binary @"$work/login"
need_200
echo "Authorization: Bearer $(member .access_token)" >>"$work/send"

numbers=$(jq -rn --arg tenant "$1" --arg group "$2" '"/api/v1/tenant/\($tenant | @uri)/group/\($group | @uri)/services/immediate_trunking_connectivity/numbers/"')
call GET "$numbers"
need_200
member '.numbers[] | "\(.minPhoneNumber) \(.maxPhoneNumber) \(if .userId == "" then "free" else .userId end)"'

key=${4:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}
echo "key $key" # before the call, so that an interruption does not lose it
lost=$earlier # a read that was lost has changed nothing
call POST "$numbers" -H "Idempotency-Key: $key" --data-binary "$(jq -n --arg start "$3" '{numbers: [{minPhoneNumber: $start}]}')"
case $status in 200 | 201) ;; *) print_error ;; esac
result=$(outcome)
echo "outcome $result"
case $result in done) exit 0 ;; not_done) exit 1 ;; *) exit 2 ;; esac
