// Package ocisim is an OCI-P provisioning platform that lives in memory, for
// tests and demonstrations of OCI-P clients, in the spirit of
// net/http/httptest.
//
// A [Platform] is filled from a [Seed] (YAML, see [LoadSeed] and [DemoSeed])
// and serves any number of connections: real ones ([Platform.Serve],
// [NewServer]) or pipes ([Platform.Dial]), which also work inside a
// testing/synctest bubble. It keeps tenants, groups, departments, users,
// administrators, number ranges and prefixes, knows the signed and the plain
// logins, checks every command against its schema and the rights of the login,
// and changes its state as the commands ask. It writes down every command in a
// ledger ([Platform.Ledger]), so a test can demand that something was sent
// exactly once, or not at all, and it misbehaves on request ([Fault],
// [Platform.Restart]).
//
// It is meant to be talked to by any client, so it shares no code with the
// client of package oci and expects no particular quotes, prefixes, attribute
// order or white space.
//
// # Releases
//
// A platform has a release: 21, 22, 23, 24 or 25 ([Settings].Release). It has
// the commands of that release and of all before it, and no others:
//
//   - 21 has the number ranges, UserRouteListGetRequest and UserGetRequest21sp1,
//     and logs in by LoginRequest14sp4 alone.
//   - 22 adds the prefixes, GroupServiceGetAuthorizationRequest, LoginRequest22,
//     LoginRequest22V2, UserGetRequest22, UserRouteListGetRequest22 and the list of
//     prefixes of UserRouteListModifyRequest.
//   - 23 adds LoginRequest22V3 and LoginRequest22V4.
//   - 24 adds LoginRequest22V5, AuthenticationVerifyRequest22V4,
//     ServiceProviderGetRequest22V4, UserRouteListGetRequest24, the element
//     ignoreCallingNameForCallProcessing of UserRouteListModifyRequest and the
//     element trackingId of documents.
//   - 25 has the commands of 24, and a version that is a year.
//
// A platform whose version is a year, by its release or its seed, also has
// SystemSoftwareVersionGetRequestRI. [Settings].Without takes commands away.
//
// What a platform does not have, and what does not fit the schema, it refuses
// in one of three modes ([Settings].Refusal):
//
//   - command: the invalid command is answered with an ErrorResponse 6004 in its
//     own place, and the other commands of the document are processed. An
//     element trackingId before 24 has no such place: the document is refused as
//     in the mode document.
//   - document: the whole document is validated before any command of it runs.
//     One ErrorResponse 6004 is the only answer to an invalid one, and nothing of
//     it is done.
//   - close: the document is validated likewise. The connection is closed without
//     an answer to an invalid one, and nothing of it is done.
//
// The ledger has the commands of a document that is refused as a whole with the
// error 6004, and not applied. They meet no faults.
//
// As on real platforms, the detail of an error 6004 is words, then what is
// refused, exactly as it was received: the command, or the whole document. That
// includes any password. Logs and the ledger have the words alone.
//
// # What is known and what is assumed
//
// Names, order and lengths of elements, the form of answers and the columns of
// tables follow the published OCI schema. Public sources leave much open.
// Where they do, the simulation does the following, and a client should rely
// on none of it:
//
//   - Error numbers: [ErrorNumbers] says which are public. The others are
//     invented, and all lie between 9900 and 9999.
//   - A document that is not well-formed, has a DOCTYPE, is in an unknown
//     encoding or is larger than the limit ends the connection without an
//     answer. A well-formed document that is not an OCI request gets one
//     ErrorResponse 6004, with the session id where one could be read, except in
//     the mode close. Its commands are not in the ledger.
//   - Which of the modes of refusal a real platform has, and the words of a
//     refusal other than "Invalid xsi:type qname" and "Element not allowed". The
//     checks are made in this order: schema, login, rights, the command itself.
//   - The first release of the commands of a tenant and of an enterprise on
//     prefixes (22), except a tenant's GetAvailableListRequest, whose releases are
//     public. The first release of LoginRequest22V3 and LoginRequest22V4 (23), and
//     of the element ignoreCallingNameForCallProcessing (24). No release lacks a
//     command that an earlier one has. A tenant's command of release 21 that adds
//     number ranges (AddListRequest) is not known.
//   - The version of each release, unless the seed sets one: 21sp1, 22, 23, 24
//     and 2022.08.
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
//     one. A group's summaries, services, departments and users and changes of a
//     user's Route List need a Group administrator, reading it, the user and what
//     is assigned to them nothing but the user's own login. Everything else needs a Service Provider administrator.
//     Everybody below System and Provisioning is kept to their own reseller,
//     tenant, group, department or user.
//   - Services are known by name alone. GroupServiceGetAuthorizationListRequest
//     has all of a group in the table of the user services, in unlimited
//     quantity, and Route List also where it is not authorized.
//     ServiceProviderServiceGetAuthorizationListRequest has those of the tenant and
//     of all of its groups, likewise; assigned are those that some user has.
//   - UserGetListInGroupRequest knows no criteria about departments and trunk
//     groups. It names a user's department by its path alone. Country codes and
//     national prefixes are empty. The forms of UserGetRequest leave out what
//     users of a seed do not have, and departments but for their paths.
//   - The tables of UserRouteListGetRequest have no columns about extensions, and
//     there is none of prefixes, as published; all other tables have the columns of
//     the latest release.
//   - Ranges and prefixes are unique within a tenant, not between tenants. New
//     ones are active. Those of an enterprise belong to no group.
//   - Only what has no user can be unassigned from its group, and only what
//     has no group and no user can be deleted from its tenant.
//   - Of the forms of AuthenticationVerifyRequest14sp8 and 22V4, only user id
//     and password is known.
package ocisim
