// Package postgrestest gives tests a PostgreSQL server of their own, where the
// programs of one are installed. The server listens on a Unix socket in a
// temporary folder only, and ends with the process that started it, however
// that ends. It does not wait for its disk: what it keeps is meant to survive
// its own crash, not the machine's.
//
// It works on Unix systems alone.
package postgrestest
