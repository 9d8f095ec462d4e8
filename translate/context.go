package translate

import (
	"context"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// A Context is what must be true of a target before anything in it is read or
// changed, for example that it exists and has a service. It must be declared
// once, as a variable: the cache of the [Engine] identifies it by its address.
type Context struct {
	// Questions are sent in one document, in this order, and their replies are
	// checked in this order.
	Questions []Question
	// Messages replace the texts of codes, in errors about what a target of this
	// context is or has.
	Messages map[*errcode.Code]string
}

// A Question is one command of a [Context].
type Question struct {
	// Name identifies the question in its context. It is the key of its fact.
	Name string
	// Command returns the command that asks about a target.
	Command func(scope.Target) oci.Read
	// Check checks a reply that is no error of the platform. It returns the fact
	// in it, which is cached with the context, or an error of type
	// [*errcode.Error].
	Check func(oci.Reply) (fact string, err error)
	// Lists is set if the question is one of existence. The reply must then list
	// the target. It replaces Command and Check.
	Lists *Existence
	// About is the existence question that is sent if the platform answers this
	// question with an error; nil if there is none.
	About *Existence
	// Errors are the codes that Check returns, besides PlatformError.
	Errors []*errcode.Code
}

// An Existence is the question whether something exists. Unless it is the Lists
// of a [Question], it is sent only after the platform has answered another
// question with an error.
type Existence struct {
	// Listing lists everything that has the id.
	Listing Listing
	// ID returns the id of the target that is compared with the key column of the
	// listing.
	ID func(scope.Target) string
	// Missing is the code that is returned if the id is not listed.
	Missing *errcode.Code
}

// Facts are what the replies of a context state about a target, by the names of
// the questions. A question without a fact has no key.
type Facts map[string]string

// Reads returns the names of all commands that the context may send.
func (c *Context) Reads() []string {
	var names []string
	for _, q := range c.Questions {
		names = append(names, q.command(scope.Target{}).Name())
		if q.About != nil {
			names = append(names, q.About.Listing.Command)
		}
	}
	return names
}

// Errors returns the codes that mean that a target is not in the context.
func (c *Context) Errors() []*errcode.Code {
	var codes []*errcode.Code
	for _, q := range c.Questions {
		codes = append(codes, q.Errors...)
		if q.Lists != nil {
			codes = append(codes, q.Lists.Missing)
		}
		if q.About != nil {
			codes = append(codes, q.About.Missing)
		}
	}
	return codes
}

// withMessage returns the error with the message that the context has for its
// code, or the error itself if it has its own message or the context has none.
func (c *Context) withMessage(err error) error {
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok || e.Message != "" || c.Messages[e.Code] == "" {
		return err
	}
	changed := *e
	changed.Message = c.Messages[e.Code]
	return &changed
}

// commands returns the commands of the questions, with capacity for n more.
func (c *Context) commands(target scope.Target, n int) []oci.Read {
	commands := make([]oci.Read, 0, len(c.Questions)+n)
	for _, q := range c.Questions {
		commands = append(commands, q.command(target))
	}
	return commands
}

// command returns the command that asks about a target.
func (q *Question) command(target scope.Target) oci.Read {
	if q.Lists != nil {
		return q.Lists.Listing.Read(target)
	}
	return q.Command(target)
}

// maxContexts limits the cached pairs of a context and a target.
const maxContexts = 10_000

// contexts caches which targets are in which contexts, for a limited time. It
// never caches that a target is not in a context, so that a correction on the
// platform has effect immediately. The cache locks itself.
type contexts struct {
	ttl   time.Duration
	cache *lru.Cache[contextKey, cachedContext]
}

type contextKey struct {
	context *Context
	target  scope.Target
}

type cachedContext struct {
	until time.Time
	facts Facts
}

func newContexts(ttl time.Duration) *contexts {
	return &contexts{ttl: ttl, cache: newCache[contextKey, cachedContext](maxContexts)}
}

// newCache returns a cache of that many entries, which must be one or more.
func newCache[K comparable, V any](entries int) *lru.Cache[K, V] {
	cache, err := lru.New[K, V](entries)
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	return cache
}

// lookup returns the facts of a target that is cached as being in the context.
func (c *contexts) lookup(context *Context, target scope.Target) (facts Facts, known bool) {
	cached, _ := c.cache.Get(contextKey{context, target})
	return cached.facts, time.Now().Before(cached.until)
}

// add caches that a target was in a context when the context was read. With a ttl
// of 0 the entry has expired already.
func (c *contexts) add(context *Context, target scope.Target, asked time.Time, facts Facts) {
	c.cache.Add(contextKey{context, target}, cachedContext{asked.Add(c.ttl), facts})
}

// ReadInContext sends the commands about a target that must be in the context,
// and returns their replies and the facts of the context. If the target is not in
// the context, the error reports why.
//
// If the cache does not have the target, the questions of the context are sent in
// the same document, before the commands. This is safe, because each command of a
// document is a transaction of its own and none of these changes anything. The
// replies are returned only if those to the questions are good.
func (e *Engine) ReadInContext(ctx context.Context, target scope.Target, c *Context, commands ...oci.Read) ([]oci.Reply, Facts, error) {
	if facts, known := e.contexts.lookup(c, target); known {
		replies, err := e.Read(ctx, commands...)
		return replies, facts, err
	}
	return e.readWithContext(ctx, target, c, commands...)
}

// readWithContext is [Engine.ReadInContext] for a target that is not cached.
func (e *Engine) readWithContext(ctx context.Context, target scope.Target, c *Context, commands ...oci.Read) ([]oci.Reply, Facts, error) {
	asked := time.Now()
	replies, err := e.Read(ctx, append(c.commands(target, len(commands)), commands...)...)
	if err != nil {
		return nil, nil, err
	}
	facts, err := e.checkContext(ctx, target, c, replies)
	if err != nil {
		return nil, nil, err
	}
	e.contexts.add(c, target, asked, facts)
	return replies[len(c.Questions):], facts, nil
}

// A Reading is what the platform replied, in one document, to the questions of a
// context and to the commands after them.
type Reading struct {
	// Endpoint names the platform endpoint that was read.
	Endpoint string
	// Context is nil if the target is in the context. Otherwise it is the error
	// that reports that it is not, or that this is unknown.
	Context error
	// Facts are those of the context. They are nil if Context is an error.
	Facts Facts
	// Replies are those to the commands, in their order.
	Replies []oci.Reply
}

// ReadUncached sends the questions of the context and the commands in one
// document, so that the replies come from one platform endpoint and, as far as
// the protocol allows, from one moment. The one exception is [Question.About],
// which is sent afterwards. The cache of contexts is neither used nor filled.
func (e *Engine) ReadUncached(ctx context.Context, target scope.Target, c *Context, commands ...oci.Read) (*Reading, error) {
	replies, err := e.Read(ctx, append(c.commands(target, len(commands)), commands...)...)
	if err != nil {
		return nil, err
	}
	reading := &Reading{Endpoint: replies[0].Endpoint(), Replies: replies[len(c.Questions):]}
	reading.Facts, reading.Context = e.checkContext(ctx, target, c, replies)
	return reading, nil
}

// checkContext returns the facts of a target, or the error that reports why it is
// not in the context, from the replies to a document that begins with the
// questions.
func (e *Engine) checkContext(ctx context.Context, target scope.Target, c *Context, replies []oci.Reply) (Facts, error) {
	var facts Facts
	for i, q := range c.Questions {
		fact, err := e.checkReply(ctx, target, q, replies[i])
		if err != nil {
			return nil, c.withMessage(err)
		}
		if fact != "" {
			if facts == nil {
				facts = Facts{}
			}
			facts[q.Name] = fact
		}
	}
	return facts, nil
}

func (e *Engine) checkReply(ctx context.Context, target scope.Target, q Question, reply oci.Reply) (fact string, err error) {
	refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err())
	switch {
	case refused && q.About != nil:
		return "", e.classifyRefusal(ctx, target, refusal, q.About)
	case refused:
		return "", e.errors.ReadResult(reply, target.IDs()...)
	case q.Lists != nil:
		return "", checkListed(reply, target, q.Lists)
	}
	return q.Check(reply)
}

// checkListed returns nil if the reply to an existence question lists the target.
func checkListed(reply oci.Reply, target scope.Target, what *Existence) error {
	table, err := TableOf(reply, what.Listing.Table, what.Listing.Key, what.Listing.KeyKind)
	switch {
	case err != nil:
		return err
	case !hasCell(table, what.Listing.Key, what.ID(target)):
		return errcode.New(what.Missing)
	}
	return nil
}

// classifyRefusal returns the error for a refusal of the platform to answer a
// question. If the table has the refusal's number, that decides. Otherwise the
// platform is asked whether the subject of the question exists. If it does not
// exist, a text of the table has no effect: the id of the request may contain
// that text, in a form in which it is not recognized. If that
// question fails, the text decides.
func (e *Engine) classifyRefusal(ctx context.Context, target scope.Target, refusal *oci.ErrorReply, what *Existence) error {
	if code, known := e.errors.numbers[refusal.Number]; known {
		return refusalError(code, refusal)
	}
	code, known := e.errors.codeOfText(refusal, target.IDs())
	table, err := e.Table(ctx, target, what.Listing)
	switch {
	case err == nil && !hasCell(table, what.Listing.Key, what.ID(target)):
		code = what.Missing
	case known:
	case err != nil:
		return err
	default:
		code = errcode.PlatformError
	}
	return refusalError(code, refusal)
}

// hasCell reports whether a cell of the column has exactly that value.
func hasCell(table *oci.Table, heading, value string) bool {
	column := table.Column(heading)
	for row := range table.Rows() {
		if row.Cell(column) == value {
			return true
		}
	}
	return false
}
