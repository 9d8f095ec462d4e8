// Package postgres implements [operation.Store] in a PostgreSQL database. Replicas of
// the gateway that use the same database share operations, idempotency keys, holds on
// entries and one audit trail. Unique keys decide their races. The database's clock
// decides everything that depends on time: which replicas have stopped, and which keys
// have expired. If the clock of a replica is wrong, only the lifetime of its keys and the
// times of its operations are wrong.
//
// [Open] returns a [Store], which a keeper then uses:
//
//	store, err := postgres.Open("postgres://gateway:secret@db:5432/ocigate?sslmode=verify-full", postgres.Options{})
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//	keeper := operation.NewKeeper(operation.Options{Store: store, Observe: observe, Owner: owner})
//
// # Durability
//
// Record, Append and Adopt commit with synchronous_commit on, whatever the server's
// default is. Begin does not wait for the disk: an operation that is only Received was not
// sent, and if a crash of the server loses it, its Intent is an [operation.ErrConflict]
// and nothing is sent. Abandon and Prune do not wait either, since they can be repeated.
// Durability depends on the server's own settings, above all on fsync.
//
// # Leases
//
// The lease of an owner lasts for [Options.Lease] from its first call and from each of its
// calls of Adopt, of which it should make at least three in that time. An owner whose
// lease has run out counts as stopped: the next replica that calls Adopt takes over its
// open operations. After half of its lease an owner cannot record an Intent ([ErrLease]):
// a replica that was suspended, or cut off from the database, must not begin to send what
// another replica is about to take over. So no write may take longer than half a lease
// from its Intent to the end of its session. [Store.SetLease] changes the lease of a store
// in use, so that this holds before and after.
//
// # Locks
//
// An owner also holds a lock in the database, from its first call of Adopt until Close: an
// advisory lock of an open transaction, on a connection of its own. It is free as soon as the
// server notices that the connection has ended, which is at once if the process was killed. A
// machine that vanishes is noticed by TCP keep-alive after about 11 seconds, if the system of the
// server supports it; through a pooler, that depends on the keep-alive of the pooler. The next
// replica that finds the lock free for 2 seconds takes over the owner's open operations
// ([Store.AdoptLost]). Where the lock cannot be held, there is the lease alone: the table of
// leases notes which owners can be taken for stopped when their lock is free, and an owner that
// cannot get its lock takes that back. [Store.LockState] reports whether it is held.
//
// An owner that has lost its lock may still run. The versions of the operations that were taken
// over make its next Intent of them an [operation.ErrConflict], and what it begins afterwards is
// its own. But it may still send what it has an Intent of, for half of its lease. So what was
// taken over may take effect until then, and the settle time begins after that. An owner whose
// lease is longer than that of the next one keeps its operations until its lease has run out.
//
// An owner is one [Store], with a name that is new for each process. Adopt removes the
// owner's operations that are Received and that this Store has not begun. It leaves all
// other operations of an earlier process of the same name as they are.
//
// # The database
//
// The store creates a schema ([Options.Schema]) and the tables in it on first use, which the
// role must be allowed to do unless another role has done it. Their names begin with
// ocigate_. The database must be encoded in UTF8. Callers' names, routes and idempotency
// keys are in one index, which has room for about 2,700 bytes of them.
//
// Each new connection, and Check, make sure that no role that is not trusted owns the schema or
// the tables, or can create objects in the schema, and that nothing is attached to the
// tables that changes what statements do, such as a trigger. Trusted are the role itself, the
// owner of the database, superusers and [Options.Owner]. All statements name tables and
// functions by a search path of their own, which has the schema and that of the server.
//
// Tables of formats 1 and 2 are found by the search path of the role, checked in the same way
// and moved to the schema. Where they were, or would have been, the table ocigate_schema
// remains, so that a program of these formats does not begin another journal.
//
// # Poolers
//
// The store works behind a pooler in transaction mode, such as PgBouncer: its sessions
// have no state outside of transactions. The transaction of a lock has one connection of the
// pooler for itself. If it is the last one, or a transaction is not served within 2 seconds, the
// store gives the lock up for 5 minutes. It uses no prepared statements, its settings end
// with the transaction, and so do its search path and the lock of the migrations. Such a
// pooler refuses parameters of the URL that it does not support, search_path among them.
//
// The users of the store read operations back, and decide when to call Adopt and Prune.
package postgres
