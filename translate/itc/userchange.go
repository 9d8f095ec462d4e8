package itc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

const (
	// userClaim is the kind of the claim on an entire user, which excludes two
	// changes of the user at the same time. Journals store it.
	userClaim = "user"

	// unavailableToUser is the message of NotAvailableForAssignment.
	unavailableToUser = "The number range or prefix provided is not available to this user."
	ofAnotherUser     = "is assigned to another user" // which one is never shown
)

// userChangeBody has the same members as the response. All may be absent. A list
// that is null is empty.
var userChangeBody = &translate.Shape{Name: "ItcUserChange", Fields: append(optional(settingFields...),
	mayBeEmpty(numberRanges.changeBody.Fields[0]), mayBeEmpty(numberPrefixes.changeBody.Fields[0]))}

func optional(fields ...translate.Field) []translate.Field {
	fields = slices.Clone(fields)
	for i := range fields {
		fields[i].Optional = true
	}
	return fields
}

func mayBeEmpty(list translate.Field) translate.Field {
	list.Optional, list.Nullable, list.Min = true, true, 0
	return list
}

// userChange is the Change of a user.
//
// Whether something is already as desired is decided by one reading, as in
// [desired]. If a list is to be empty, the list of the group or enterprise is not
// read, and what the user has is not compared with it.
type userChange struct{ service *Service }

// Describe implements [translate.Change].
func (userChange) Describe() translate.Description {
	var listings []translate.Listing
	for _, p := range userResources {
		group, enterprise := p.listings()
		listings = append(listings, group, enterprise)
	}
	return translate.Description{
		Reads:    userReads(listings...),
		Writes:   []string{userModifyCommand},
		Request:  userChangeBody,
		Response: translate.EmptyShape,
		Errors: translate.CodesOnce([]*errcode.Code{errcode.NotAvailableForAssignment, errcode.PreconditionFailed},
			userContext.Errors(), []*errcode.Code{errcode.NotAvailableInRelease}),
		Conditional: true,
	}
}

// Decode implements [translate.Change]. The entries are in the order of the
// shape: the settings, the number ranges, the prefixes.
func (c userChange) Decode(target scope.Target, body []byte) (*translate.Draft, error) {
	decoded, err := c.service.engine.Decode(userChangeBody, body)
	if err != nil {
		return nil, err
	}
	draft := &translate.Draft{Target: target, Claims: []translate.Claim{{Kind: userClaim, Key: target.UserID}}, Body: &decoded}
	for _, f := range settingFields {
		if decoded.Has(f.Key) {
			draft.Entries = append(draft.Entries, translate.Entry{Kind: settingKind, Given: f.Key, Key: settingKey(target, f.Key)})
		}
	}
	for _, p := range userResources {
		for _, item := range decoded.List(p.list) {
			draft.Entries = append(draft.Entries, p.entryOf(item))
		}
	}
	return draft, nil
}

// Plan implements [translate.Change].
func (c userChange) Plan(ctx context.Context, draft *translate.Draft) (*translate.Plan, error) {
	body := draft.Body
	var listed []*userResource
	for _, p := range userResources {
		if len(body.List(p.list)) > 0 {
			listed = append(listed, p)
		}
	}
	reading, err := c.service.readUser(ctx, draft.Target, listed...)
	if err == nil {
		err = reading.context
	}
	if err == nil {
		err = c.checkCondition(ctx, draft, reading)
	}
	if err != nil {
		return nil, err
	}
	p := userPlan{target: draft.Target, reading: reading, maxRemoved: c.service.engine.MaxEntries()}
	p.planSettings(body)
	for _, r := range userResources {
		if !body.Has(r.list) && !body.IsNull(r.list) {
			continue
		}
		wanted := slices.DeleteFunc(slices.Clone(draft.Entries), func(e translate.Entry) bool { return e.Kind != r.kind })
		if err := p.planList(r, wanted); err != nil {
			return nil, err
		}
	}
	return p.plan()
}

// checkCondition compares the If-Match condition of a request with the tag that a
// read of the user would return now.
func (c userChange) checkCondition(ctx context.Context, draft *translate.Draft, reading *userReading) error {
	if draft.IfMatch == nil {
		return nil
	}
	object, err := c.service.engine.ReplyAnswer(ctx, draft.Target, userBody, reading.object)
	if err != nil {
		return err
	}
	if !draft.IfMatch(object.ETag()) {
		return errcode.New(errcode.PreconditionFailed)
	}
	return nil
}

// userPlan collects the parts of a plan.
type userPlan struct {
	target  scope.Target
	reading *userReading

	elements []oci.Element     // of the command, after the user's id
	entries  []translate.Entry // of the body
	removed  []translate.Entry // not in the body
	faults   []fault

	maxRemoved int
}

// planSettings adds the settings of the body, and the elements of those that
// differ.
func (p *userPlan) planSettings(body *translate.Input) {
	for _, f := range settingFields {
		if !body.Has(f.Key) {
			continue
		}
		is, wanted := p.reading.settings[f.Key], body.Bool(f.Key)
		e := translate.Entry{
			Kind: settingKind, Given: f.Key, Key: settingKey(p.target, f.Key), Start: f.Source,
			Before: translate.MarshalValue(is), After: translate.MarshalValue(wanted),
		}
		if is != wanted {
			e.Step = 1
			p.elements = append(p.elements, oci.Text(f.Source, strconv.FormatBool(wanted)))
		}
		p.entries = append(p.entries, e)
	}
}

// planList adds the entries of a list of the body and those to be removed. If
// they differ from what the user has, it adds the element that replaces the list.
func (p *userPlan) planList(r *userResource, wanted []translate.Entry) error {
	inOrder, own, err := r.entriesIn(p.reading.own[r])
	if err != nil {
		return err
	}
	var rows map[string]oci.Row
	if len(wanted) > 0 { // else the list was not read
		if rows, err = p.listed(r, wanted, inOrder); err != nil {
			return err
		}
	}
	starts, kept, added := p.addDesired(r, wanted, own, rows)
	before := len(p.removed)
	if err := p.addRemovals(r, inOrder, kept); err != nil {
		return err
	}
	if added || len(p.removed) > before {
		p.elements = append(p.elements, r.replacement(starts))
	}
	return nil
}

// addDesired adds the desired entries of a list, or a fault for each that the user
// cannot have. It returns their starts, the keys of those that the user has
// already, and whether there are others.
func (p *userPlan) addDesired(r *userResource, wanted []translate.Entry, own map[string]listedEntry, rows map[string]oci.Row) (starts []string, kept map[string]bool, added bool) {
	starts, kept = make([]string, 0, len(wanted)), map[string]bool{}
	for i, e := range wanted {
		entry, has := own[e.Key]
		if !has {
			var reason string
			if entry, reason = p.available(r, rows, e.Key); reason != "" {
				p.faults = append(p.faults, fault{e, r.pointer(i, r.start), reason})
				continue
			}
		}
		if f, differs := r.setSpelling(&e, i, entry.start, entry.end); differs {
			p.faults = append(p.faults, f)
			continue
		}
		e.Before, e.After = ofUser(p.target), ofUser(p.target)
		if kept[e.Key] = has; !has {
			e.Before, e.Step, added = noUser(), 1, true
		}
		starts = append(starts, e.Start)
		p.entries = append(p.entries, e)
	}
	return starts, kept, added
}

// addRemovals adds an entry for each that the user has and does not keep. The error
// reports that the lists of the body leave out more than one request may remove.
func (p *userPlan) addRemovals(r *userResource, own []listedEntry, kept map[string]bool) error {
	for _, entry := range own {
		if kept[entry.key] {
			continue
		}
		if len(p.removed) == p.maxRemoved {
			return r.tooManyRemovals("user", p.maxRemoved)
		}
		p.removed = append(p.removed, translate.Entry{
			Kind: r.kind, Given: entry.start, Key: entry.key, Start: entry.start, End: entry.end,
			Before: ofUser(p.target), After: noUser(), Step: 1,
		})
	}
	return nil
}

// listed returns the rows of the desired entries and of what the user has, from
// the list of the group or enterprise, which shows the user of each row. The
// error reports that the list has an entry twice, or contradicts what the user
// has: then the platform is between two states, and what will become of the entry
// is unknown.
func (p *userPlan) listed(r *userResource, wanted []translate.Entry, own []listedEntry) (map[string]oci.Row, error) {
	has := make(map[string]bool, len(own))
	keys := keysOf(wanted)
	for _, entry := range own {
		has[entry.key] = true
		keys = append(keys, entry.key)
	}
	table := p.reading.all[r]
	rows, repeated := rowsOf(table, r.startHeading, keys)
	if repeated != "" {
		return nil, r.severalRows(repeated)
	}
	for _, key := range keys {
		row, listed := rows[key]
		if holds := listed && row.Cell(table.Column(userIDHeading)) == p.target.UserID; holds != has[key] {
			return nil, errcode.Wrap(errcode.PlatformError,
				fmt.Errorf("itc: what the user has and the list of users contradict each other about %.32q", key))
		}
	}
	return rows, nil
}

// available returns the listed entry for a key that the user does not have, or
// the reason for which they cannot have it. rows are those of the list of the
// group or enterprise.
func (p *userPlan) available(r *userResource, rows map[string]oci.Row, key string) (entry listedEntry, reason string) {
	row, listed := rows[key]
	if !listed {
		if p.reading.enterprise {
			return listedEntry{}, r.unknown
		}
		return listedEntry{}, notAssignedHere
	}
	table := p.reading.all[r]
	if row.Cell(table.Column(userIDHeading)) != "" {
		return listedEntry{}, ofAnotherUser
	}
	return r.entryIn(table, row), ""
}

// plan returns the plan, or the error for the faults in the body.
func (p *userPlan) plan() (*translate.Plan, error) {
	if len(p.faults) > 0 {
		refusal := &errcode.Error{Code: errcode.NotAvailableForAssignment, Message: unavailableToUser}
		var problems translate.Problems
		for _, f := range p.faults {
			refusal.Entries = append(refusal.Entries, f.entry.Given)
			problems.Add(f.pointer, f.reason)
		}
		refusal.Problems = problems
		return nil, refusal
	}
	plan := &translate.Plan{
		Target: p.target, Entries: slices.Concat(p.entries, p.removed),
		Messages: maps.Clone(userContext.Messages),
	}
	plan.Messages[errcode.NotAvailableForAssignment] = unavailableToUser
	var changed []int
	for i, e := range plan.Entries {
		if e.Step > 0 {
			changed = append(changed, i)
		}
	}
	if len(changed) > 0 {
		command := oci.NewWrite(userModifyCommand, append(translate.UserElements(p.target), p.elements...)...)
		plan.Steps = []translate.Step{{Command: command, Entries: changed}}
	}
	return plan, nil
}

// A listedEntry is a range or prefix in the platform's spelling, with its key.
type listedEntry struct{ key, start, end string }

// entryIn returns the entry of a row. A cell shares the memory of its table,
// which must not be kept as long as the plan.
func (r *userResource) entryIn(table *oci.Table, row oci.Row) listedEntry {
	start, end := strings.Clone(row.Cell(table.Column(r.startHeading))), ""
	if r.endHeading != "" {
		end = strings.Clone(row.Cell(table.Column(r.endHeading)))
	}
	return listedEntry{translate.Canonical(start), start, end}
}

// entriesIn returns what a user has, in the order of the table and by key. The
// table may be nil.
func (r *userResource) entriesIn(table *oci.Table) (inOrder []listedEntry, byKey map[string]listedEntry, err error) {
	byKey = map[string]listedEntry{}
	if table == nil {
		return nil, byKey, nil
	}
	for row := range table.Rows() {
		entry := r.entryIn(table, row)
		if _, twice := byKey[entry.key]; twice {
			return nil, nil, r.severalRows(entry.key)
		}
		inOrder, byKey[entry.key] = append(inOrder, entry), entry
	}
	return inOrder, byKey, nil
}

// replacement returns the element that replaces what the user has.
func (r *userResource) replacement(starts []string) oci.Element {
	if len(starts) == 0 {
		return oci.Nil(r.newList)
	}
	return oci.Parent(r.newList, oci.Texts(r.newElement, starts)...)
}
