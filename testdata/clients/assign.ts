// Assign a number range of a tenant to a group, and find out whether that was done.
//
// Usage: node assign.ts TENANT GROUP START [KEY]
//
// START is the first number of the range. GATEWAY_URL, GATEWAY_USERNAME and
// GATEWAY_PASSWORD are environment variables. After an interruption, or if the outcome
// is not known, run the program again with the KEY that it has printed: with the same
// key, nothing is done twice.
//
// The exit status is 0 if the range was assigned, 1 if it was not, 2 if that is not known.

const attempts = 10; // of one call
const timeout = 90_000; // milliseconds

interface ApiError {
  code: number;
  name: string;
  message: string;
  details?: {
    entries?: string[];
    operation?: string;
    problems?: { pointer?: string; parameter?: string; reason: string }[];
    errors?: Record<string, { summary: string }>;
  };
}

interface NumberRange {
  minPhoneNumber: string;
  maxPhoneNumber: string;
  userId: string;
}

type Outcome = "done" | "not_done" | "partly_done" | "unknown";

/** The members of the bodies that are used here. */
interface Body {
  errors?: ApiError[];
  access_token?: string;
  numbers?: NumberRange[];
  outcome?: Outcome;
}

/** The response to a call. Its status is 0 if there was none. */
interface Answer {
  status: number;
  headers: Headers;
  body: Body; // empty if it is not from ocigate
  lost: boolean; // whether the response to an earlier attempt was lost
}

let token = "";

/** Makes a call once. */
async function send(method: string, path: string, body?: unknown, key?: string): Promise<Answer> {
  const headers = new Headers({ "Content-Type": "application/json" });
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (key) headers.set("Idempotency-Key", key);
  try {
    const response = await fetch((process.env.GATEWAY_URL ?? "").replace(/\/$/, "") + path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      redirect: "manual", // fetch would repeat a POST as a GET
      signal: AbortSignal.timeout(timeout),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: parse(text), lost: false };
  } catch {
    return { status: 0, headers: new Headers(), body: {}, lost: false };
  }
}

function parse(text: string): Body {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? body : {};
  } catch {
    return {};
  }
}

/** Returns the path of a write that may have been done, or was done in part. */
function operationOf(answer: Answer): string | undefined {
  return [502, 504].includes(answer.status) ? answer.body.errors?.[0]?.details?.operation : undefined;
}

/** Reports whether there is no reason to make the same call again. */
function isFinal(answer: Answer): boolean {
  // With 409, another change, or the first attempt, still runs.
  if (answer.status === 409) return !answer.headers.has("Retry-After");
  return operationOf(answer) !== undefined || ![0, 429].includes(answer.status) && answer.status < 500;
}

/**
 * Reports whether a write that is to be made again was not done. A 503 without an outcome
 * is that of a proxy, which may have lost the response.
 */
function isNotDone(answer: Answer): boolean {
  return [409, 429].includes(answer.status) || (answer.status === 503 && answer.headers.has("Operation-Outcome"));
}

/** Waits as long as the response demands, or a second. */
function wait(answer: Answer): Promise<void> {
  const seconds = /^\d+$/.exec(answer.headers.get("Retry-After") ?? "")?.[0] ?? "1";
  return new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
}

/**
 * Makes a call until its response is final. The call must be safe to repeat: a read, a
 * login, or a write with an Idempotency-Key. It may have been made before with a response
 * that was lost.
 */
async function call(method: string, path: string, body?: unknown, key?: string, lost = false): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const answer = { ...(await send(method, path, body, key)), lost };
    if (isFinal(answer) || attempt === attempts) return answer;
    lost ||= !isNotDone(answer);
    await wait(answer);
  }
}

/** Returns what a write has done. */
async function outcomeOf(answer: Answer): Promise<Outcome> {
  const path = operationOf(answer);
  while (path) {
    console.log("not known yet, reading", path);
    await wait(answer);
    answer = await call("GET", path);
    if (answer.status !== 200 || !answer.headers.has("Retry-After")) return answer.body.outcome ?? "unknown"; // nothing more will be known
  }
  const reported = (answer.headers.get("Operation-Outcome") ?? "unknown") as Outcome;
  if ([200, 201, 207].includes(answer.status) || ([409, 503].includes(answer.status) && reported === "unknown")) return reported;
  if ([401, 403, 429, 503].includes(answer.status)) return answer.lost ? "unknown" : "not_done"; // it is about the last attempt only
  return answer.status >= 400 && answer.status < 500 ? "not_done" : "unknown";
}

function printError(answer: Answer): void {
  const error = answer.body.errors?.[0];
  if (!error) {
    console.log("error: status", answer.status);
    return;
  }
  console.log(`error ${error.code} ${error.name}: ${error.message}`);
  for (const problem of error.details?.problems ?? []) console.log(" ", problem.pointer ?? problem.parameter, problem.reason);
  for (const refusal of Object.values(error.details?.errors ?? {})) console.log("  platform:", refusal.summary);
}

async function main(tenant: string, group: string, start: string, givenKey?: string): Promise<number> {
  const notBegun = givenKey ? 2 : 1;
  const credentials = { username: process.env.GATEWAY_USERNAME, password: process.env.GATEWAY_PASSWORD };
  const login = await call("POST", "/api/v1/login/", credentials);
  if (login.status !== 200) {
    printError(login);
    return notBegun;
  }
  token = login.body.access_token ?? "";

  const numbers = `/api/v1/tenant/${encodeURIComponent(tenant)}/group/${encodeURIComponent(group)}/services/immediate_trunking_connectivity/numbers/`;
  const list = await call("GET", numbers);
  if (list.status !== 200) {
    printError(list);
    return notBegun;
  }
  for (const range of list.body.numbers ?? []) console.log(range.minPhoneNumber, range.maxPhoneNumber, range.userId || "free");

  const key = givenKey ?? crypto.randomUUID();
  console.log("key", key); // before the call, so that an interruption does not lose it
  const answer = await call("POST", numbers, { numbers: [{ minPhoneNumber: start }] }, key, givenKey !== undefined);
  const outcome = await outcomeOf(answer);
  if (![200, 201].includes(answer.status)) printError(answer);
  console.log("outcome", outcome);
  return outcome === "done" ? 0 : outcome === "not_done" ? 1 : 2;
}

const [tenant, group, start, key] = process.argv.slice(2);
if (!tenant || !group || !start) {
  console.error("usage: node assign.ts TENANT GROUP START [KEY]");
  process.exit(2);
}
void main(tenant, group, start, key).then((status) => (process.exitCode = status));
