// Package ocisim simulates an OCI-P provisioning platform in memory, for tests
// and demonstrations of OCI-P clients, in the manner of net/http/httptest.
//
// A [Platform] is built from a [Seed] (YAML, see [LoadSeed] and [DemoSeed]) and
// serves any number of connections: from a listener ([Platform.Serve],
// [NewServer]) or through pipes ([Platform.Dial]), which also work inside a
// testing/synctest bubble. It holds tenants, groups, departments, users,
// administrators, number ranges and prefixes, and supports signed and plain
// logins. It checks each command against its schema and against the rights of
// the login, and changes its state accordingly. It records each command in a
// ledger ([Platform.Ledger]), so that a test can require that a command was sent
// exactly once or not at all. It misbehaves on request ([Fault],
// [Platform.Restart]):
//
//	server := ocisim.NewServer(ocisim.DemoSeed())
//	defer server.Close()
//	fault, err := ocisim.ParseFault("drop-after-apply times=1")
//	…
//	injection, err := server.Inject(fault)
//	… // connect a client to server.Addr and let it send a command
//	for _, entry := range server.Ledger() {
//		fmt.Println(entry.Command, entry.Applied, entry.Faults)
//	}
//
// Any client can connect, so the package shares no code with the client of
// package oci and expects no particular quotes, prefixes, attribute order or
// white space.
//
// # Parts and services
//
// The package has three parts, each in its own files:
//
//   - The protocol server: platform.go, connections.go, session.go, delivery.go
//     and login.go, with the documents (reader.go, writer.go, schema.go), faults
//     (fault*.go, injection.go), releases, refusals, errors and the ledger. It
//     depends on the commands of login.go and on the table in commands.go only.
//   - What every platform has: its state (state.go, account.go), which a seed
//     fills (seed.go, build.go), and the general commands (tenants.go, groups.go,
//     users.go, authorizations.go).
//   - The services of the platform: service.go has the type service and the
//     table of all services. Route List is in the files routelist*.go.
//
// A second service is one new file, or several with its name at their beginning,
// and one line in the table of service.go. Its value of type service has its
// name, the rows of its commands and its state. A row has the name of a command,
// its first release, the least login type, whether it writes, its schema and its
// function. The state implements serviceState: it loads the service's part of
// the seed of a tenant, which is a field of [Tenant], [Group] or [User] whose
// type is declared beside the service. Errors of the service are declared beside
// it, too, and [ErrorNumbers] lists them.
//
// # Releases
//
// A platform has a release: 21, 22, 23, 24 or 25 ([Settings].Release). It
// supports the commands of that release and of all earlier ones, and no others:
//
//   - 21 has the number ranges, UserRouteListGetRequest and UserGetRequest21sp1.
//     Its only login command is LoginRequest14sp4.
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
// SystemSoftwareVersionGetRequestRI. [Settings].Without removes commands.
//
// The platform refuses what it does not support, and what does not fit the
// schema, in one of three modes ([Settings].Refusal):
//
//   - command: the reply to the invalid command is an ErrorResponse 6004 in its
//     place, and the other commands of the document are processed. An element
//     trackingId before 24 has no such place: the document is refused as in the
//     mode document.
//   - document: the entire document is validated before any command of it runs.
//     The only reply to an invalid one is an ErrorResponse 6004, and none of its
//     commands is carried out.
//   - close: the document is validated in the same way. The platform closes the
//     connection without a reply to an invalid one, and none of its commands is
//     carried out.
//
// The ledger has the commands of a document that is refused entirely, with the
// error 6004 and not applied. Faults do not act on them.
//
// As on real platforms, the detail of an error 6004 is a reason followed by the
// refused text exactly as it was received: the command or the entire document.
// That includes any password. Logs and the ledger have the reason only.
//
// # Public facts and assumptions
//
// Names, order and lengths of elements, the form of replies and the columns of
// tables follow the published OCI schema. Public sources leave much open. In
// such cases the simulation does the following, and a client should not rely on
// any of it:
//
//   - Error numbers: [ErrorNumbers] reports which are public. The others are
//     invented, and all are between 9900 and 9999.
//   - A document that is not well-formed, has a DOCTYPE, is in an unknown
//     encoding or is larger than the limit ends the connection without a reply.
//     The reply to a well-formed document that is not an OCI request is one
//     ErrorResponse 6004, with the session id if one could be read, except in the
//     mode close. Its commands are not in the ledger.
//   - The mode of refusal of a real platform, and the reason in a refusal other
//     than "Invalid xsi:type qname" and "Element not allowed". The order of the
//     checks is: schema, login, rights, the command itself.
//   - The first release of the commands of a tenant and of an enterprise on
//     prefixes (22), except a tenant's GetAvailableListRequest, whose releases are
//     public. The first release of LoginRequest22V3 and LoginRequest22V4 (23), and
//     of the element ignoreCallingNameForCallProcessing (24). No release lacks a
//     command that an earlier one has. A tenant's command of release 21 that adds
//     number ranges (AddListRequest) is not supported.
//   - The version of each release, unless the seed sets one: 21sp1, 22, 23, 24
//     and 2022.08.
//   - The first session id of a connection is the connection's. A document with
//     another one is refused.
//   - The reply to AuthenticationRequest has a nonce for any user id, and the
//     nonce is valid for one login. After a LogoutRequest and its reply the
//     platform closes the connection.
//   - LoginRequest14sp4, LoginRequest22 and AuthenticationVerifyRequest14sp8 cannot
//     express the login type Reseller. They refuse such an account with an
//     invented error after its password has been checked, and do not log it in.
//     The replies to LoginRequest22V3 and later have a resellerId.
//   - The login types that may send a command: verifying another account's
//     password needs a System or Provisioning administrator, listing tenants a
//     Reseller one. A group's summaries, services, departments and users and
//     changes of a user's Route List need a Group administrator. Reading a user's
//     Route List, the user and the services assigned to them needs only the user's
//     own login. All other commands need a Service Provider administrator. Every
//     login below System and Provisioning is limited to its own reseller, tenant,
//     group, department or user.
//   - Services have a name and no other property.
//     GroupServiceGetAuthorizationListRequest lists all services of a group in the
//     table of the user services, in unlimited quantity. It also lists Route List
//     if the group is not authorized to it.
//     ServiceProviderServiceGetAuthorizationListRequest lists those of the tenant
//     and of all of its groups in the same way. A service is assigned if a user has
//     it.
//   - UserGetListInGroupRequest has no criteria about departments and trunk
//     groups. It identifies a user's department by its path only. Country codes and
//     national prefixes are empty. The forms of UserGetRequest omit what users of a
//     seed do not have, and departments except for their paths.
//   - The tables of UserRouteListGetRequest have no columns about extensions, and
//     it has no table of prefixes, as published. All other tables have the columns
//     of the latest release.
//   - Ranges and prefixes are unique within a tenant, not between tenants. New
//     ones are active. Those of an enterprise belong to no group.
//   - Only a range or prefix without a user can be unassigned from its group, and
//     only one without group and user can be deleted from its tenant.
//   - AuthenticationVerifyRequest14sp8 and 22V4 are supported in one form only: a
//     user id and a password.
package ocisim
