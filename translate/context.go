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

// Context is what must hold of a target before anything is read or changed in it,
// for example that it exists and has a service. It is declared once, since its
// answers are remembered by its address.
type Context struct {
	// Questions are asked in one document, in this order, and their answers are
	// checked in this order.
	Questions []Question
	// Messages take the place of the texts of codes, in errors about what a target
	// of this context is or has.
	Messages map[*errcode.Code]string
}

// Question is one command of a [Context].
type Question struct {
	// Name is the question's own in its context. Facts are found by it.
	Name string
	// Command asks about a target.
	Command func(scope.Target) oci.Read
	// Check returns the error in an answer that is no refusal, or the fact in it,
	// which is remembered with the context. Its errors are of type
	// [*errcode.Error].
	Check func(oci.Reply) (fact string, err error)
	// Lists is the existence question that the command is. The answer must list
	// the target. It takes the place of Command and Check.
	Lists *Existence
	// About is what is asked whether it exists, where the platform refuses to
	// answer; nil where that cannot be asked.
	About *Existence
	// Errors are the codes that Check returns, besides PlatformError.
	Errors []*errcode.Code
}

// Existence is the question whether something exists. It is asked only where the
// platform refuses to answer another one.
type Existence struct {
	// Listing lists what has the id.
	Listing Listing
	// ID is the part of the target that is looked for under the listing's key.
	ID func(scope.Target) string
	// Missing is what its absence means.
	Missing *errcode.Code
}

// Facts are what the answers of a context say, by the names of the questions. A
// question whose answer says nothing has none.
type Facts map[string]string

// Reads are the names of all commands that the context may ask.
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

// Errors are the codes that say that a target is not in the context.
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

// worded is an error with the message that the context has for its code, unless
// the error has one of its own.
func (c *Context) worded(err error) error {
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok || e.Message != "" || c.Messages[e.Code] == "" {
		return err
	}
	worded := *e
	worded.Message = c.Messages[e.Code]
	return &worded
}

// commands are those of the questions, with room for n more behind them.
func (c *Context) commands(target scope.Target, n int) []oci.Read {
	commands := make([]oci.Read, 0, len(c.Questions)+n)
	for _, q := range c.Questions {
		commands = append(commands, q.command(target))
	}
	return commands
}

// command asks about a target.
func (q *Question) command(target scope.Target) oci.Read {
	if q.Lists != nil {
		return q.Lists.Listing.Read(target)
	}
	return q.Command(target)
}

// maxContexts bounds the memory for targets that are known to be in a context.
const maxContexts = 10_000

// contexts remembers for a time which targets are in which contexts. That one is
// not is never remembered, so that what an operator puts right counts at once.
type contexts struct {
	ttl   time.Duration
	known *lru.Cache[contextKey, rememberedContext]
}

type contextKey struct {
	context *Context
	target  scope.Target
}

type rememberedContext struct {
	until time.Time
	facts Facts
}

func newContexts(ttl time.Duration) *contexts {
	return &contexts{ttl: ttl, known: newMemory[contextKey, rememberedContext](maxContexts)}
}

// newMemory makes a memory of so many entries, which must be one or more.
func newMemory[K comparable, V any](entries int) *lru.Cache[K, V] {
	memory, err := lru.New[K, V](entries)
	if err != nil {
		panic(err) // there is no other error than that of a size below 1
	}
	return memory
}

// good returns the facts of a target that is known to be in the context.
func (c *contexts) good(context *Context, target scope.Target) (facts Facts, known bool) {
	remembered, _ := c.known.Get(contextKey{context, target})
	return remembered.facts, time.Now().Before(remembered.until)
}

// remember notes that a target was in a context when that was asked. With a ttl
// of 0 the note is out of date at once.
func (c *contexts) remember(context *Context, target scope.Target, asked time.Time, facts Facts) {
	c.known.Add(contextKey{context, target}, rememberedContext{asked.Add(c.ttl), facts})
}

// ReadInContext asks the commands about a target that is in the context, and returns
// their replies. Where the target is not in it, that is the error.
//
// Where it is not remembered that the target is in the context, that is asked in
// the same document, before the commands. This is safe: the commands of a document
// are transactions of their own, and none of these changes anything. The replies
// are returned only when the answers of the context are good.
func (e *Engine) ReadInContext(ctx context.Context, target scope.Target, c *Context, commands ...oci.Read) ([]oci.Reply, Facts, error) {
	if facts, known := e.contexts.good(c, target); known {
		replies, err := e.Read(ctx, commands...)
		return replies, facts, err
	}
	return e.enter(ctx, target, c, commands...)
}

// enter is InContext where it is not remembered that the target is in the context.
func (e *Engine) enter(ctx context.Context, target scope.Target, c *Context, commands ...oci.Read) ([]oci.Reply, Facts, error) {
	asked := time.Now()
	replies, err := e.Read(ctx, append(c.commands(target, len(commands)), commands...)...)
	if err != nil {
		return nil, nil, err
	}
	facts, err := e.check(ctx, target, c, replies)
	if err != nil {
		return nil, nil, err
	}
	e.contexts.remember(c, target, asked, facts)
	return replies[len(c.Questions):], facts, nil
}

// Reading is what the platform answers in one document about a context and the
// commands behind it.
type Reading struct {
	// Endpoint names the platform's endpoint that was read.
	Endpoint string
	// Context is the error that says that the target is not in the context, or
	// that this could not be found out; nil where it is.
	Context error
	// Facts are those of the context, where there is no error of it.
	Facts Facts
	// Replies are those to the commands.
	Replies []oci.Reply
}

// ReadUncached asks the context and the commands in one document, so that the answers
// come from one endpoint of the platform and, as far as the protocol allows, from
// one moment. Only whether something exists that the platform refused to speak of
// is asked afterwards. What is remembered of contexts is neither used nor added to.
func (e *Engine) ReadUncached(ctx context.Context, target scope.Target, c *Context, commands ...oci.Read) (*Reading, error) {
	replies, err := e.Read(ctx, append(c.commands(target, len(commands)), commands...)...)
	if err != nil {
		return nil, err
	}
	reading := &Reading{Endpoint: replies[0].Endpoint(), Replies: replies[len(c.Questions):]}
	reading.Facts, reading.Context = e.check(ctx, target, c, replies)
	return reading, nil
}

// check returns why a target is not in the context, or the facts of it, from the
// replies to a document that began with the questions.
func (e *Engine) check(ctx context.Context, target scope.Target, c *Context, replies []oci.Reply) (Facts, error) {
	var facts Facts
	for i, q := range c.Questions {
		fact, err := e.answer(ctx, target, q, replies[i])
		if err != nil {
			return nil, c.worded(err)
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

func (e *Engine) answer(ctx context.Context, target scope.Target, q Question, reply oci.Reply) (fact string, err error) {
	refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err())
	switch {
	case refused && q.About != nil:
		return "", e.refusal(ctx, target, refusal, q.About)
	case refused:
		return "", e.errors.ReadResult(reply, target.IDs()...)
	case q.Lists != nil:
		return "", listed(reply, target, q.Lists)
	}
	return q.Check(reply)
}

// listed is nil where the answer to an existence question lists the target.
func listed(reply oci.Reply, target scope.Target, what *Existence) error {
	table, err := TableOf(reply, what.Listing.Table, what.Listing.Key, what.Listing.KeyKind)
	switch {
	case err != nil:
		return err
	case !holds(table, what.Listing.Key, what.ID(target)):
		return errcode.New(what.Missing)
	}
	return nil
}

// refusal returns why the platform refused to answer. Where the table does not
// have its number, the platform is asked whether what it was asked about exists at
// all. Only what exists is refused for a text of the table: an id that does not
// exist may hold that text, in a form in which it is not recognized. Where that
// question is not answered, the text counts.
func (e *Engine) refusal(ctx context.Context, target scope.Target, refusal *oci.ErrorReply, what *Existence) error {
	if code, known := e.errors.numbers[refusal.Number]; known {
		return refusedWith(code, refusal)
	}
	code, known := e.errors.textMeaning(refusal, target.IDs())
	table, err := e.Table(ctx, target, what.Listing)
	switch {
	case err == nil && !holds(table, what.Listing.Key, what.ID(target)):
		code = what.Missing
	case known:
	case err != nil:
		return err
	default:
		code = errcode.PlatformError
	}
	return refusedWith(code, refusal)
}

// holds reports whether exactly that value is in a column.
func holds(table *oci.Table, heading, value string) bool {
	column := table.Column(heading)
	for row := range table.Rows() {
		if row.Cell(column) == value {
			return true
		}
	}
	return false
}
