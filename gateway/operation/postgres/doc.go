// Package postgres is an [operation.Store] in a PostgreSQL database. Replicas
// of the gateway that use the same database share operations, idempotency keys,
// holds on entries and one audit trail. Unique keys decide their races, and the
// database's clock decides all that depends on time: which replicas are alive,
// and which keys have expired. A replica whose clock is wrong gives its own keys
// a wrong length of life and its own operations wrong times, and no more.
//
// # Durability
//
// What Record, Append and Adopt do is committed with synchronous_commit on,
// whatever the server's default is. Begin is not waited for: an operation that
// is only Received was not sent, and should a crash of the server forget it, its
// Intent is an [operation.ErrConflict] and nothing is sent. Nor are Abandon and
// Prune, which can be undone and done again. All rests on the server's own settings, fsync
// above all.
//
// # Leases
//
// An owner is alive for [Options.Lease] from the first that is heard of it and
// from each of its calls of Adopt, of which it should make at least three in that
// time. One that is not alive loses its open operations to the first who asks.
// When half of its lease has run out, it cannot record an Intent ([ErrLease]): a
// replica that was suspended, or cut off, must not begin to send what others are
// about to judge. So no write may take longer than half a lease from its Intent to
// the end of its session.
//
// An owner is one [Store], under a name that is new with every process. Adopt
// forgets what is Received of it and not in the hands of that Store, and leaves
// alone what else an earlier process of the same name would have left.
//
// # The database
//
// The tables are made on first use, in the first schema of the role's search
// path, where the role must be allowed to create them. Their names begin with
// ocigate_. The database must be encoded in UTF8. Callers' names, endpoints and
// idempotency keys stand in an index, which takes about 2,700 bytes of them.
//
// # Poolers
//
// The store works behind a pooler in transaction mode, such as PgBouncer: nothing
// outlives a transaction in its session. There are no prepared statements, what is
// set is set for the transaction, and the lock of the migrations ends with theirs.
// Such a pooler refuses parameters of the URL that it does not know, search_path
// among them: set that for the role.
//
// Reading back, and when to call Adopt and Prune, is left to the users of the
// store.
package postgres
