package gateway

// MaxKeyLength is the longest Idempotency-Key, in characters.
const MaxKeyLength = maxKeyLength
