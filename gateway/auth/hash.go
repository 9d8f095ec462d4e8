package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// hash is the hash of a client's secret.
type hash interface {
	// matches reports whether the hash was made of this secret. It is slow by
	// design.
	matches(secret string) bool
	// memoryBytes returns how many bytes matches allocates, approximately.
	memoryBytes() int64
}

// Parameters of the hashes that Hash makes: the first recommendation of the OWASP
// Password Storage Cheat Sheet for argon2id.
const (
	hashMemory  = 19 << 10 // KiB
	hashTime    = 2
	hashThreads = 1
	hashSalt    = 16 // bytes
	hashKey     = 32 // bytes
)

// Limits of the hashes that are accepted. The upper ones prevent a configuration
// from using up the memory or the processor.
const (
	minMemory, maxMemory = 4 << 10, 256 << 10 // KiB
	maxTime              = 16
	maxThreads           = 16
	minSalt, maxSalt     = 8, 64  // bytes
	minKeyLen, maxKeyLen = 16, 64 // bytes
	minCost, maxCost     = 10, 15
	maxBcryptSecret      = 72      // bytes; bcrypt ignores the rest
	bcryptMemory         = 4 << 10 // bytes, of the state of Blowfish
)

const (
	argonPrefix     = "$argon2id$"
	argonParameters = "m=%d,t=%d,p=%d"
	bcryptPrefix    = "$2"
)

// Hash returns the hash of a listed client's secret, for [Client.Hash]: argon2id
// with 19 MiB of memory, two passes, one thread and a random salt, as a PHC
// string. The secret must have 1..256 bytes of UTF-8 without control characters.
func Hash(secret string) (string, error) {
	if problem := secretProblem(secret); problem != "" {
		return "", errors.New("auth: the secret " + problem)
	}
	salt := make([]byte, hashSalt)
	_, _ = rand.Read(salt) // it never returns an error: it ends the program instead
	h := argonHash{memory: hashMemory, time: hashTime, threads: hashThreads, salt: salt}
	h.key = h.derive(secret, hashKey)
	return h.encode(), nil
}

// parseHash parses the hash of a client. Its errors never contain the hash.
func parseHash(text string) (hash, error) {
	switch {
	case strings.HasPrefix(text, argonPrefix):
		return parseArgon(text)
	case strings.HasPrefix(text, bcryptPrefix):
		return parseBcrypt(text)
	}
	return nil, errors.New("is neither an argon2id nor a bcrypt hash")
}

// argonHash is an argon2id hash (RFC 9106).
type argonHash struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
	salt    []byte
	key     []byte
}

func (h argonHash) derive(secret string, keyLen uint32) []byte {
	return argon2.IDKey([]byte(secret), h.salt, h.time, h.memory, h.threads, keyLen)
}

func (h argonHash) matches(secret string) bool {
	return subtle.ConstantTimeCompare(h.derive(secret, uint32(len(h.key))), h.key) == 1 //nolint:gosec // 16..64
}

func (h argonHash) memoryBytes() int64 { return int64(h.memory) << 10 }

// encode returns the PHC string.
func (h argonHash) encode() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf(argonPrefix+"v=%d$"+argonParameters+"$%s$%s",
		argon2.Version, h.memory, h.time, h.threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}

// parseArgon parses a PHC string. Its parsing is lenient, but then it requires that
// encode returns exactly the same text.
func parseArgon(text string) (hash, error) {
	errForm := errors.New("is not of the form $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	parts := strings.Split(text, "$")
	if len(parts) != 6 {
		return nil, errForm
	}
	var h argonHash
	var errSalt, errKey error
	_, errParameters := fmt.Sscanf(parts[3], argonParameters, &h.memory, &h.time, &h.threads)
	h.salt, errSalt = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, errKey = base64.RawStdEncoding.DecodeString(parts[5])
	if errors.Join(errParameters, errSalt, errKey) != nil || h.encode() != text {
		return nil, errForm
	}
	return h, h.check()
}

// check returns an error with all parameters that are out of range.
func (h argonHash) check() error {
	return errors.Join(
		inRange("memory in KiB (m)", int(h.memory), minMemory, maxMemory),
		inRange("number of passes (t)", int(h.time), 1, maxTime),
		inRange("number of threads (p)", int(h.threads), 1, maxThreads),
		inRange("salt's length in bytes", len(h.salt), minSalt, maxSalt),
		inRange("hash's length in bytes", len(h.key), minKeyLen, maxKeyLen),
	)
}

func inRange(what string, n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("the %s must be %d..%d, not %d", what, least, most, n)
	}
	return nil
}

// bcryptHash is a bcrypt hash.
type bcryptHash []byte

var bcryptForm = regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

func parseBcrypt(text string) (hash, error) {
	if !bcryptForm.MatchString(text) {
		return nil, errors.New("is not of the form $2b$cost$salt-and-hash")
	}
	cost, err := bcrypt.Cost([]byte(text))
	if err != nil {
		return nil, errors.New("is not a bcrypt hash")
	}
	return bcryptHash(text), inRange("cost", cost, minCost, maxCost)
}

// matches rejects a secret that bcrypt would truncate, after the usual time.
func (h bcryptHash) matches(secret string) bool {
	seen := secret[:min(len(secret), maxBcryptSecret)]
	err := bcrypt.CompareHashAndPassword(h, []byte(seen))
	return err == nil && seen == secret
}

func (bcryptHash) memoryBytes() int64 { return bcryptMemory }
