// Makes calls with openapi-fetch and the types that openapi-typescript generates from the
// description of the API. It reads calls as lines of JSON from the standard input, makes
// them concurrently, and writes the responses as lines of JSON to the standard output. Its
// argument is the address of the gateway.

import { createInterface } from "node:readline";
import createClient from "openapi-fetch";
import type { components, operations, paths } from "./schema.js";

type Schemas = components["schemas"];

/** A call of an operation of the description. */
interface Call {
  id: number; // of the response
  operation: keyof operations;
  path: Record<string, string>;
  query: Record<string, string | number | boolean>;
  header: Record<string, string>;
  authorization: string; // a header that the description has as a security scheme
  body: string; // JSON of the described form, if media_type is empty
  media_type: string;
}

type Parameters<Name extends keyof operations> = operations[Name]["parameters"];

/** The type of the body of an operation. */
type Body<Name extends keyof operations> = operations[Name] extends { requestBody: { content: { "application/json": infer Json } } } ? Json : never;

/** The result of any operation. */
interface Result {
  data?: unknown;
  error?: Schemas["Errors"] | Schemas["Problem"];
  response: Response;
}

// A redirect would repeat a POST as a GET, whose 200 looks like success.
const client = createClient<paths>({ baseUrl: process.argv[2] ?? "", redirect: "manual" });

const service = "services/immediate_trunking_connectivity";
const ofGroup = `/api/v1/tenant/{tenant_id}/group/{group_id}/${service}` as const;
const ofTenant = `/api/v1/tenant/{tenant_id}/${service}` as const;
const ofUser = `/api/v1/tenant/{tenant_id}/groups/{group_id}/users/{user_id}/${service}` as const;

/** Returns what all calls have. */
function read<Name extends keyof operations>(call: Call) {
  const headers: Record<string, string> = {};
  if (call.authorization) headers.Authorization = call.authorization;
  if (call.media_type) headers["Content-Type"] = call.media_type;
  const { path, query, header } = call;
  return { params: { path, query, header } as unknown as Parameters<Name>, headers };
}

/** Returns the same with a body. One with a media type is sent as it is. */
function write<Name extends keyof operations>(call: Call) {
  const body = call.media_type ? call.body : JSON.parse(call.body);
  return { ...read<Name>(call), body: body as Body<Name>, ...(call.media_type && { bodySerializer: () => call.body }) };
}

/** Makes a call of each operation. There must be no operation that is not in this table. */
const calls: Record<keyof operations, (call: Call) => Promise<Result>> = {
  login: (c) => client.POST("/api/v1/login/", write<"login">(c)),
  logout: (c) => client.POST("/api/v1/logout/", read<"logout">(c)),
  api_index: (c) => client.GET("/api/v1/", read<"api_index">(c)),
  operations_list: (c) => client.GET("/api/v1/operations/", read<"operations_list">(c)),
  operation_get: (c) => client.GET("/api/v1/operations/{operation_id}/", read<"operation_get">(c)),

  itc_numbers_list: (c) => client.GET(`${ofGroup}/numbers/`, read<"itc_numbers_list">(c)),
  itc_numbers_assign: (c) => client.POST(`${ofGroup}/numbers/`, write<"itc_numbers_assign">(c)),
  itc_available_numbers_list: (c) => client.GET(`${ofGroup}/available_numbers/`, read<"itc_available_numbers_list">(c)),
  itc_numbers_remove: (c) => client.DELETE(`${ofGroup}/numbers/`, write<"itc_numbers_remove">(c)),
  itc_numbers_remove_by_post: (c) => client.POST(`${ofGroup}/numbers/remove/`, write<"itc_numbers_remove_by_post">(c)),
  itc_numbers_set: (c) => client.PUT(`${ofGroup}/numbers/`, write<"itc_numbers_set">(c)),
  itc_prefixes_list: (c) => client.GET(`${ofGroup}/prefixes/`, read<"itc_prefixes_list">(c)),
  itc_prefixes_assign: (c) => client.POST(`${ofGroup}/prefixes/`, write<"itc_prefixes_assign">(c)),
  itc_available_prefixes_list: (c) => client.GET(`${ofGroup}/available_prefixes/`, read<"itc_available_prefixes_list">(c)),
  itc_prefixes_remove: (c) => client.DELETE(`${ofGroup}/prefixes/`, write<"itc_prefixes_remove">(c)),
  itc_prefixes_remove_by_post: (c) => client.POST(`${ofGroup}/prefixes/remove/`, write<"itc_prefixes_remove_by_post">(c)),
  itc_prefixes_set: (c) => client.PUT(`${ofGroup}/prefixes/`, write<"itc_prefixes_set">(c)),

  itc_tenant_numbers_list: (c) => client.GET(`${ofTenant}/numbers/`, read<"itc_tenant_numbers_list">(c)),
  itc_tenant_available_numbers_list: (c) => client.GET(`${ofTenant}/available_numbers/`, read<"itc_tenant_available_numbers_list">(c)),
  itc_tenant_prefixes_list: (c) => client.GET(`${ofTenant}/prefixes/`, read<"itc_tenant_prefixes_list">(c)),
  itc_tenant_available_prefixes_list: (c) => client.GET(`${ofTenant}/available_prefixes/`, read<"itc_tenant_available_prefixes_list">(c)),

  itc_user_get: (c) => client.GET(`${ofUser}/`, read<"itc_user_get">(c)),
  itc_user_set: (c) => client.PUT(`${ofUser}/`, write<"itc_user_set">(c)),
};

/** Returns an error with the members that its type has. */
function typedError(error: Schemas["Errors"] | Schemas["Problem"]): unknown {
  if (!("errors" in error) || !Array.isArray(error.errors)) return error;
  return {
    errors: error.errors.map(({ code, name, message, details }: Schemas["Error"]) => ({ code, name, message, details: details && typedDetails(details) })),
  };
}

function typedDetails({ entries, operation, problems, errors }: Schemas["ErrorDetails"]) {
  return {
    entries,
    operation,
    problems: problems?.map(({ pointer, parameter, reason }) => ({ pointer, parameter, reason })),
    errors: errors && Object.fromEntries(Object.entries(errors).map(([key, { error_code, level, summary, detail }]) => [key, { error_code, level, summary, detail }])),
  };
}

async function make(call: Call) {
  try {
    const { data, error, response } = await calls[call.operation](call);
    const body: unknown = error ?? data;
    return {
      id: call.id,
      status: response.status,
      header: Object.fromEntries(response.headers),
      body: JSON.stringify(body),
      typed: error ? typedError(error) : data,
    };
  } catch (error) {
    return { id: call.id, error: String(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  void make(JSON.parse(line) as Call).then((answer) => console.log(JSON.stringify(answer)));
}
