// Package postgrestest starts a PostgreSQL server for tests, if the programs of one are
// installed. The server listens only on a Unix socket in a temporary folder, and ends with
// the process that started it, however that ends. It does not wait for its disk: its data
// survive its own crash, but not that of the machine.
//
// [New] returns a [Server] that is running. [Server.Database] creates an empty database,
// and [Server.Pooler] starts a PgBouncer in front of the server.
//
// The package works only on Unix systems.
package postgrestest
