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
	// userClaim is the kind of the claim on a user as a whole, by which no two
	// changes of the user are made at the same time. Its name is kept by the
	// journal.
	userClaim = "user"

	// unavailableToUser is the message of NotAvailableForAssignment.
	unavailableToUser = "The number range or prefix provided is not available to this user."
	ofAnotherUser     = "is assigned to another user" // which one is never said
)

// userChangeBody has the same members as the answer, all of which may be absent. A
// list that is null is empty.
var userChangeBody = &translate.Shape{Fields: append(optional(settingFields...),
	emptiable(numberRanges.changeBody.Fields[0]), emptiable(numberPrefixes.changeBody.Fields[0]))}

func optional(fields ...translate.Field) []translate.Field {
	fields = slices.Clone(fields)
	for i := range fields {
		fields[i].Optional = true
	}
	return fields
}

func emptiable(list translate.Field) translate.Field {
	list.Optional, list.Nullable, list.Min = true, true, 0
	return list
}

// userChange is the Change of a user.
//
// That something is already as wanted is concluded from one reading, as in [desired].
// For a list that is to be empty, what the user has is not compared with the list of
// the group or enterprise, which is not read then.
type userChange struct{ service *Service }

func (userChange) Describe() translate.Description {
	var listings []translate.Listing
	for _, p := range possessions {
		group, enterprise := p.listings()
		listings = append(listings, group, enterprise)
	}
	return translate.Description{
		Reads:    userReads(listings...),
		Writes:   []string{userModifyCommand},
		Request:  userChangeBody,
		Response: &translate.Shape{},
		Errors: translate.CodesOnce([]*errcode.Code{errcode.NotAvailableForAssignment, errcode.PreconditionFailed},
			userContext.Errors(), []*errcode.Code{errcode.NotAvailableInRelease}),
		Conditional: true,
	}
}

// Decode has the entries in the order of the shape: the settings, the number
// ranges, the prefixes.
func (userChange) Decode(target scope.Target, body []byte) (*translate.Draft, error) {
	decoded, err := userChangeBody.Decode(body)
	if err != nil {
		return nil, err
	}
	draft := &translate.Draft{Target: target, Claims: []translate.Claim{{Kind: userClaim, Key: target.UserID}}, Body: &decoded}
	for _, f := range settingFields {
		if decoded.Has(f.Key) {
			draft.Entries = append(draft.Entries, translate.Entry{Kind: settingKind, Given: f.Key, Key: settingKey(target, f.Key)})
		}
	}
	for _, p := range possessions {
		for _, item := range decoded.List(p.list) {
			draft.Entries = append(draft.Entries, p.entryOf(item))
		}
	}
	return draft, nil
}

func (c userChange) Plan(ctx context.Context, draft *translate.Draft) (*translate.Plan, error) {
	body := draft.Body
	var listed []*possession
	for _, p := range possessions {
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
	p := userPlan{target: draft.Target, reading: reading}
	p.planSettings(body)
	for _, of := range possessions {
		if !body.Has(of.list) && !body.IsNull(of.list) {
			continue
		}
		wanted := slices.DeleteFunc(slices.Clone(draft.Entries), func(e translate.Entry) bool { return e.Kind != of.kind })
		if err := p.planList(of, wanted); err != nil {
			return nil, err
		}
	}
	return p.plan()
}

// checkCondition compares the condition of a request with the user, as a request
// for the user would answer it now.
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

// userPlan is a plan in the making.
type userPlan struct {
	target  scope.Target
	reading *userReading

	elements []oci.Element     // of the command, behind the user's id
	entries  []translate.Entry // of the body
	removed  []translate.Entry // that only the plan knows
	faults   []fault
}

// planSettings has the settings that differ changed.
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

// planList has what the user has replaced by what is wanted, where that is not the
// same.
func (p *userPlan) planList(of *possession, wanted []translate.Entry) error {
	inOrder, own, err := of.assignedTo(p.reading.own[of])
	if err != nil {
		return err
	}
	var rows map[string]oci.Row
	if len(wanted) > 0 { // else the list was not read
		if rows, err = p.listed(of, wanted, inOrder); err != nil {
			return err
		}
	}
	differs := false
	kept := map[string]bool{}
	starts := make([]string, 0, len(wanted))
	for i, e := range wanted {
		place, has := own[e.Key]
		if !has {
			var reason string
			if place, reason = p.available(of, rows, e.Key); reason != "" {
				p.faults = append(p.faults, fault{e, of.pointer(i, of.start), reason})
				continue
			}
		}
		if f, differs := of.spell(&e, i, place.start, place.end); differs {
			p.faults = append(p.faults, f)
			continue
		}
		e.Before, e.After = possessedBy(p.target), possessedBy(p.target)
		if kept[e.Key] = has; !has {
			e.Before, e.Step, differs = possessedByNobody(), 1, true
		}
		starts = append(starts, e.Start)
		p.entries = append(p.entries, e)
	}
	for _, place := range inOrder {
		if kept[place.key] {
			continue
		}
		differs = true
		p.removed = append(p.removed, translate.Entry{
			Kind: of.kind, Given: place.start, Key: place.key, Start: place.start, End: place.end,
			Before: possessedBy(p.target), After: possessedByNobody(), Step: 1,
		})
	}
	if differs {
		p.elements = append(p.elements, of.replacement(starts))
	}
	return nil
}

// listed finds the rows of what is wanted and of what the user has in the list of
// the group or enterprise. That list says which user has each of its rows. The error
// says that it has an entry twice, or does not agree with what the user has: the
// platform is between two states then, and what becomes of the entry is not known.
func (p *userPlan) listed(of *possession, wanted []translate.Entry, own []spelled) (map[string]oci.Row, error) {
	has := make(map[string]bool, len(own))
	keys := keysOf(wanted)
	for _, place := range own {
		has[place.key] = true
		keys = append(keys, place.key)
	}
	table := p.reading.all[of]
	rows, repeated := rowsOf(table, of.startHeading, keys)
	if repeated != "" {
		return nil, of.severalRows(repeated)
	}
	for _, key := range keys {
		row, listed := rows[key]
		if holds := listed && row.Cell(table.Column(userIDHeading)) == p.target.UserID; holds != has[key] {
			return nil, errcode.Wrap(errcode.PlatformError,
				fmt.Errorf("itc: what the user has and the list of users do not agree on whose %.32q is", key))
		}
	}
	return rows, nil
}

// available is a range or prefix that the user does not have, or why they cannot
// have it. rows are those of the list of the group or enterprise.
func (p *userPlan) available(of *possession, rows map[string]oci.Row, key string) (place spelled, reason string) {
	row, listed := rows[key]
	if !listed {
		if p.reading.enterprise {
			return spelled{}, of.unknown
		}
		return spelled{}, notAssignedHere
	}
	table := p.reading.all[of]
	if row.Cell(table.Column(userIDHeading)) != "" {
		return spelled{}, ofAnotherUser
	}
	return of.spelling(table, row), ""
}

// plan is the plan, or the error for what is at fault in the body.
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

// spelled is a range or prefix as the platform spells it, and its key.
type spelled struct{ key, start, end string }

// spelling is that of a row. A cell is a piece of its table's text, which must not
// live as long as the plan.
func (of *possession) spelling(table *oci.Table, row oci.Row) spelled {
	start, end := strings.Clone(row.Cell(table.Column(of.startHeading))), ""
	if of.endHeading != "" {
		end = strings.Clone(row.Cell(table.Column(of.endHeading)))
	}
	return spelled{translate.Canonical(start), start, end}
}

// assignedTo is what a user has, in the order of the table and by key. The table
// may be nil.
func (of *possession) assignedTo(table *oci.Table) (inOrder []spelled, byKey map[string]spelled, err error) {
	byKey = map[string]spelled{}
	if table == nil {
		return nil, byKey, nil
	}
	for row := range table.Rows() {
		place := of.spelling(table, row)
		if _, twice := byKey[place.key]; twice {
			return nil, nil, of.severalRows(place.key)
		}
		inOrder, byKey[place.key] = append(inOrder, place), place
	}
	return inOrder, byKey, nil
}

// replacement is the element that replaces what the user has.
func (of *possession) replacement(starts []string) oci.Element {
	if len(starts) == 0 {
		return oci.Nil(of.newList)
	}
	return oci.Parent(of.newList, oci.Texts(of.newElement, starts)...)
}
