package translate

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// A choice is what the query parameters of a request choose of a list.
type choice struct {
	criteria []criterion // all of which must hold
	orders   []order     // by which to sort, the first one first
	// first is the number of entries before the page, size the most entries of
	// the page, and limit the most entries of all pages. 0 means no limit.
	first, size, limit int
}

// choiceOf returns what valid parameters choose of a list with that shape: nil if
// there are none. The error names parameters that contradict each other.
func choiceOf(list *Shape, filters []Filter, params Params) (*choice, error) {
	if len(params) == 0 {
		return nil, nil //nolint:nilnil // no choice is the complete list
	}
	item := list.Fields[0].Item
	c := &choice{
		first: params.Integer(StartIndexParam, 1) - 1,
		size:  params.Integer(PageSizeParam, 0),
		limit: params.Integer(ResponseSizeParam, 0),
	}
	var problems []errcode.Problem
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch name {
		case StartIndexParam, PageSizeParam, ResponseSizeParam:
			continue
		case SortOrdersParam:
			c.orders, problems = ordersOf(item, params[name])
			continue
		}
		criterion, ok := filterCriterion(item, filters, params, name)
		if !ok {
			criterion, ok = textCriterion(item, params, name)
		}
		if !ok { // the caller of Read has not validated it
			return nil, errcode.Wrap(errcode.Internal, fmt.Errorf("translate: the list has no parameter %.64q", name))
		}
		c.criteria = append(c.criteria, criterion)
	}
	if problems = append(contradictions(c.criteria), problems...); len(problems) > 0 {
		return nil, errcode.Invalid(errcode.InvalidParameters, problems...)
	}
	return c, nil
}

// A Page is the [Body] of a list from which query parameters have chosen entries.
// It has the row numbers of the entries, and writes them directly from the table.
type Page struct {
	list   *Answer
	index  oci.TableIndex
	rows   []uint32 // the entries of the page, in their order
	choice *choice
	total  int // entries for which the criteria hold
}

// listBody returns the body of a list: all rows of the table, or those that are
// chosen. It reads and fails as [Engine.ListAnswer] does, and also fails if the
// entries do not have a member that the choice depends on.
func (e *Engine) listBody(ctx context.Context, target scope.Target, shape *Shape, table *oci.Table, chosen *choice) (Body, error) {
	if chosen == nil {
		list, err := e.ListAnswer(ctx, target, shape, table)
		if err != nil {
			return nil, err // not list: a nil *Answer in a Body is not nil
		}
		return list, nil
	}
	list, err := newList(target, shape, table)
	if err != nil {
		return nil, err
	}
	page := &Page{list: list, index: table.Index(), choice: chosen}
	if err := page.choose(); err != nil {
		return nil, err
	}
	if _, err := e.withDepartmentNames(ctx, list); err != nil {
		return nil, err
	}
	return page, nil
}

// Total returns the number of entries for which the filters hold, on all pages and
// behind a responseSizeLimit.
func (p *Page) Total() int { return p.total }

// Next returns the startIndex of the next page. There is none if the page has no
// size or is the last one.
func (p *Page) Next() (startIndex int, ok bool) {
	after := p.choice.first + p.choice.size
	return after + 1, p.choice.size > 0 && after < p.reach()
}

// Previous returns the startIndex of the page that ends before this one. There is
// none if the page has no size or is the first one. The previous page of one behind
// the end of the list ends at the end.
func (p *Page) Previous() (startIndex int, ok bool) {
	before := min(p.choice.first, p.reach())
	return max(before-p.choice.size, 0) + 1, p.choice.size > 0 && before > 0
}

// reach returns the number of entries on all pages.
func (p *Page) reach() int {
	if limit := p.choice.limit; limit > 0 {
		return min(limit, p.total)
	}
	return p.total
}

// choose finds the entries of the page. It compares cells, and keeps nothing of the
// rows but their numbers.
func (p *Page) choose() error {
	list := &p.list.list[0].rows
	if err := p.choice.checkColumns(list); err != nil {
		return err
	}
	reader := &entryReader{rows: list, groupID: p.list.target.GroupID}
	switch {
	case len(p.choice.orders) > 0:
		p.rows = p.matching(reader, 0, list.table.Len())
		p.sort(reader)
		first, end := p.window()
		p.rows = p.rows[first:end]
	case len(p.choice.criteria) > 0:
		p.rows = p.matching(reader, p.choice.first, p.choice.end())
	default:
		p.total = list.table.Len()
		first, end := p.window()
		p.rows = make([]uint32, end-first)
		for i := range p.rows {
			p.rows[i] = uint32(first + i) //nolint:gosec // a reply is limited to much fewer rows
		}
	}
	return nil
}

// end returns the number of entries to the end of the page, if the list had
// infinitely many.
func (c *choice) end() int {
	end := maxEntriesAsked
	if c.size > 0 {
		end = c.first + c.size
	}
	if c.limit > 0 {
		end = min(end, c.limit)
	}
	return end
}

// window returns where the page begins and ends in the list of all matching
// entries.
func (p *Page) window() (first, end int) {
	end = min(p.choice.end(), p.total)
	return min(p.choice.first, end), end
}

// matching counts the entries for which the criteria hold, and returns the row
// numbers of those between first and end.
func (p *Page) matching(reader *entryReader, first, end int) []uint32 {
	var rows []uint32
	if len(p.choice.criteria) == 0 {
		rows = make([]uint32, 0, reader.table.Len())
	}
	number := uint32(0)
	for row := range reader.table.Rows() {
		if p.choice.matches(reader, row) {
			if first <= p.total && p.total < end {
				rows = append(rows, number)
			}
			p.total++
		}
		number++
	}
	return rows
}

func (c *choice) matches(reader *entryReader, row oci.Row) bool {
	for i := range c.criteria {
		if !reader.holds(&c.criteria[i], row) {
			return false
		}
	}
	return true
}

// sort sorts the row numbers. Rows that are equal stay in the platform's order.
func (p *Page) sort(reader *entryReader) {
	slices.SortFunc(p.rows, func(x, y uint32) int {
		a, b := p.index.Row(int(x)), p.index.Row(int(y))
		for _, o := range p.choice.orders {
			if c := reader.compare(o, a, b); c != 0 {
				return c
			}
		}
		return int(x) - int(y)
	})
}

// checkColumns returns an error for a parameter about a member that the entries do
// not have, because the table does not have its column. Without the check the
// response would be wrong: all entries of a service provider would seem to have no
// user.
func (c *choice) checkColumns(list *rows) error {
	var problems []errcode.Problem
	check := func(param string, field int) {
		if f := &list.fields[field]; f.Optional && list.columns[field] == oci.NoColumn {
			problems = append(problems, errcode.Problem{
				Parameter: param, Reason: "depends on the member " + f.Key + ", which the platform does not have in this list",
			})
		}
	}
	for i := range c.criteria {
		check(c.criteria[i].param, c.criteria[i].field)
	}
	for _, o := range c.orders {
		check(SortOrdersParam, o.field)
	}
	if len(problems) > 0 {
		return errcode.Invalid(errcode.InvalidParameters, problems...)
	}
	return nil
}

// ETag implements [Body]. Pages of equal content have equal tags, however they were
// asked for. A page that has all entries in the platform's order has the tag of the
// complete list, and no other page has it.
func (p *Page) ETag() string {
	sum := tagSum{Hash: sha256.New()}
	p.list.addTargetTo(&sum)
	sum.add("rows")
	sum.flush()
	_, _ = p.index.WriteRowsTo(sum.Hash, p.rows) // a hash returns no error
	return quoted(sum.Sum(nil))
}

// WriteJSON implements [Body]. It writes rows directly from the table into w's own
// buffer.
func (p *Page) WriteJSON(w *bufio.Writer) error {
	if _, err := w.Write(append(appendKey(w.AvailableBuffer(), '{', p.list.shape.Fields[0].Key), '[')); err != nil {
		return err
	}
	list, comma := &p.list.list[0].rows, ""
	for _, number := range p.rows {
		if err := p.list.writeRow(w, comma, list, p.index.Row(int(number))); err != nil {
			return err
		}
		comma = ","
	}
	_, err := w.WriteString("]}\n")
	return err
}
