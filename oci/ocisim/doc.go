// Package ocisim is an OCI-P provisioning platform that lives in memory, for
// tests and demonstrations of OCI-P clients, in the spirit of
// net/http/httptest.
//
// A [Platform] is filled from a [Seed] (YAML, see [LoadSeed] and [DemoSeed])
// and serves any number of connections: real ones ([Platform.Serve],
// [NewServer]) or pipes ([Platform.Dial]), which also work inside a
// testing/synctest bubble. It keeps tenants, groups, departments, users,
// administrators, number ranges and prefixes, knows both ways to log in,
// checks every command against its schema and the rights of the login, and
// changes its state as the commands ask. It writes down every command in a
// ledger ([Platform.Ledger]), so a test can demand that something was sent
// exactly once, or not at all, and it misbehaves on request ([Fault],
// [Platform.Restart]).
//
// It is meant to be talked to by any client, so it shares no code with the
// client of package oci and expects no particular quotes, prefixes, attribute
// order or white space.
//
// # What is known and what is assumed
//
// Names, order and lengths of elements, the form of answers and the columns of
// tables follow the published OCI schema. Public sources leave much open.
// Where they do, the simulation does the following, and a client should rely
// on none of it:
//
//   - Error numbers: [ErrorNumbers] tells which are public. The others are
//     invented, and all lie between 9900 and 9999.
//   - A document that is not well-formed, has a DOCTYPE, is in an unknown
//     encoding or is larger than the limit ends the connection without an
//     answer. A well-formed document that is not an OCI request gets one
//     ErrorResponse 6004, with the session id where one could be read.
//   - A command that does not fit its schema gets 6004 in its own place, and
//     the other commands of the document are processed. Judged in this order:
//     schema, login, rights, the command itself.
//   - The first session id of a connection is the connection's; a document
//     with another one is refused.
//   - AuthenticationRequest answers every user id with a nonce, which is good
//     for one login. After a LogoutRequest and its answer the platform closes
//     the connection.
//   - The login type Reseller cannot be expressed by LoginRequest14sp4,
//     LoginRequest22 and AuthenticationVerifyRequest14sp8. They refuse such an
//     account with an invented error, once its password has been checked; nobody
//     is logged in. A resellerId is in the answers to LoginRequest22V3 and later.
//   - Which login type may send which command: verifying somebody's password
//     needs a System or Provisioning administrator, listing tenants a Reseller
//     one. A group's summaries, services and departments and changes of a
//     user's Route List need a Group administrator, reading it nothing but the
//     user's own login. Everything else needs a Service Provider administrator.
//     Everybody below System and Provisioning is kept to his own reseller,
//     tenant, group, department or user.
//   - Services are known by name alone. GroupServiceGetAuthorizationListRequest
//     has all of a group in the table of the user services, in unlimited
//     quantity, and Route List also where it is not authorized.
//   - Ranges and prefixes are unique within a tenant, not between tenants. New
//     ones are active. Those of an enterprise belong to no group.
//   - Only what has no user can be unassigned from its group, and only what
//     has no group and no user can be deleted from its tenant.
//   - Of the forms of AuthenticationVerifyRequest14sp8 and 22V4, only user id
//     and password is known.
package ocisim
