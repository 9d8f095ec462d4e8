package itc

import (
	"context"
	"fmt"
	"slices"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

const (
	userGetCommand    = "UserRouteListGetRequest24"
	userModifyCommand = "UserRouteListModifyRequest"

	// rangesOnlyResponse answers userGetCommand where the platform has only its
	// oldest form, of a release without prefixes.
	rangesOnlyResponse = "UserRouteListGetResponse"
)

// settingFields are the settings of a user, in the order of the schema.
var settingFields = []translate.Field{
	{Key: "treatOriginationsAndPBXRedirectionsAsScreened", Kind: translate.Boolean, Source: "treatOriginationsAndPBXRedirectionsAsScreened", Example: "false"},
	{Key: "useImmediateTrunkingConnectivityIdentityForNonEmergencyCalls", Kind: translate.Boolean, Source: "useRouteListIdentityForNonEmergencyCalls", Example: "true"},
	{Key: "useImmediateTrunkingConnectivityIdentityForEmergencyCalls", Kind: translate.Boolean, Source: "useRouteListIdentityForEmergencyCalls", Example: "false"},
}

// possession is all in which the number ranges and the prefixes of a user differ.
type possession struct {
	*resource
	tenant *tenantLists
	// assigned is the table of what the user has.
	assigned string
	// newList and newElement are the elements of a change: the list, and each of
	// its entries.
	newList, newElement string
}

var (
	userRanges = possession{
		resource: &numberRanges, tenant: &tenantRanges, assigned: "assignedNumberRangeTable",
		newList: "assignedNumberRangeStartList", newElement: "phoneNumber",
	}
	userPrefixes = possession{
		resource: &numberPrefixes, tenant: &tenantPrefixes, assigned: "assignedNumberPrefixTable",
		newList: "assignedNumberPrefixList", newElement: "numberPrefix",
	}
)

// listings are what the user's group has and, in Enterprise mode, what the
// enterprise has, each with the user who has it.
func (p *possession) listings() (group, enterprise translate.Listing) {
	i := slices.IndexFunc(p.tenant.all.Listings, func(f translate.FactListing) bool { return f.Fact == translate.EnterpriseMode })
	return p.own, p.tenant.all.Listings[i].Listing
}

// possessions are both, in the order of bodies and of the schema.
var possessions = []*possession{&userRanges, &userPrefixes}

// userBody is what a user has of the service. A release without prefixes has no
// list of them.
var userBody = &translate.Shape{Fields: append(slices.Clone(settingFields),
	translate.Field{Key: numbersKey, Kind: translate.List, Source: userRanges.assigned, Item: &translate.Shape{Fields: slices.Concat(rangeFields, rangeStateFields)}},
	translate.Field{Key: prefixesKey, Kind: translate.List, Source: userPrefixes.assigned, Optional: true, Item: &translate.Shape{Fields: slices.Concat(prefixFields, prefixStateFields)}},
)}

// User is what a user has of the service: settings, number ranges and prefixes.
func (s *Service) User() translate.Query { return userQuery{s} }

// SetUser changes what a user has of the service. Members of the body that are
// absent are left as they are, and a list replaces the whole.
func (s *Service) SetUser() translate.Change { return userChange{s} }

// userQuery is the Query of a user.
type userQuery struct{ service *Service }

func (userQuery) Describe() translate.Description {
	return translate.Description{
		Reads:    userReads(),
		Response: userBody,
		Errors:   translate.CodesOnce(userContext.Errors(), []*errcode.Code{errcode.NotAvailableInRelease}),
	}
}

// userReads are the names of the commands that read a user, with those of the
// listings.
func userReads(listings ...translate.Listing) []string {
	names := append(translate.ReadsOf(userContext, nil, listings...), userGetCommand)
	slices.Sort(names)
	return names
}

func (q userQuery) Read(ctx context.Context, target scope.Target, _ translate.Params) (translate.Body, error) {
	engine := q.service.engine
	replies, _, err := engine.ReadInContext(ctx, target, userContext, userRead(target))
	if err != nil {
		return nil, err
	}
	if err := q.service.checkUser(replies[0], target); err != nil {
		return nil, err
	}
	object, err := engine.ReplyAnswer(ctx, target, userBody, replies[0])
	if err != nil {
		return nil, err // and not a nil pointer that looks like a body
	}
	return object, nil
}

func userRead(target scope.Target) oci.Read {
	return oci.NewRead(userGetCommand, translate.UserElements(target)...)
}

// checkUser returns the error in the answer to userGetCommand.
func (s *Service) checkUser(reply oci.Reply, target scope.Target) error {
	if err := s.engine.ResultInContext(reply, target, userContext); err != nil {
		return err
	}
	if reply.Name() != rangesOnlyResponse && !translate.HasElement(reply, userPrefixes.assigned) {
		return errcode.Wrap(errcode.PlatformError, fmt.Errorf("itc: %s has no table %s", reply.Name(), userPrefixes.assigned))
	}
	return nil
}

// userReading is what one document says of a user.
type userReading struct {
	endpoint string // of the platform
	// context is the error that says that the user is not in the context. With it
	// there is nothing else.
	context error
	// gone is the platform's refusal to speak of the user at all: the user does not
	// exist any more, or has no service. Without it, a user who is not in the
	// context is in another one, and has what nobody has looked at.
	gone       error
	enterprise bool      // the tenant is in Enterprise mode
	object     oci.Reply // all that the user has
	settings   map[string]bool
	// own are the tables of what the user has. There is none of prefixes on a
	// release without them. all are the tables of what the user's group has or, in
	// an enterprise, the enterprise: of the possessions that were asked for.
	own, all map[*possession]*oci.Table
}

// readUser reads a user and the lists of those possessions. What is remembered of
// contexts is not used: whose user it is may have changed.
func (s *Service) readUser(ctx context.Context, target scope.Target, listed ...*possession) (*userReading, error) {
	commands := []oci.Read{userRead(target)}
	for _, p := range listed {
		// The mode is known only with the answer, and only one of them applies.
		group, enterprise := p.listings()
		commands = append(commands, group.Read(target), enterprise.Read(target))
	}
	answered, err := s.engine.ReadUncached(ctx, target, userContext, commands...)
	if err != nil {
		return nil, err
	}
	r := &userReading{endpoint: answered.Endpoint, context: answered.Context}
	if r.context == nil {
		err = s.readInContext(r, target, answered, listed)
	} else {
		r.gone = s.engine.ResultInContext(answered.Replies[0], target, userContext)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// readInContext reads what was answered about a user who is in the context.
func (s *Service) readInContext(r *userReading, target scope.Target, answered *translate.Reading, listed []*possession) error {
	r.enterprise = answered.Facts[modeQuestion.Name] == translate.EnterpriseMode
	r.object = answered.Replies[0]
	if err := s.checkUser(r.object, target); err != nil {
		return err
	}
	if err := r.readObject(); err != nil {
		return err
	}
	r.all = map[*possession]*oci.Table{}
	for i, p := range listed {
		group, enterprise := p.listings()
		reply, listing := answered.Replies[1+2*i], group
		if r.enterprise {
			reply, listing = answered.Replies[2+2*i], enterprise
		}
		table, err := s.tableOfUsers(reply, target, listing)
		if err != nil {
			return err
		}
		r.all[p] = table
	}
	return nil
}

// tableOfUsers is a table that says which user has each of its rows.
func (s *Service) tableOfUsers(reply oci.Reply, target scope.Target, l translate.Listing) (*oci.Table, error) {
	table, err := s.engine.TableIn(reply, target, l)
	if err == nil && table.Column(userIDHeading) == oci.NoColumn {
		err = errcode.Wrap(errcode.PlatformError, fmt.Errorf("itc: table %s has no column %q", l.Table, userIDHeading))
	}
	return table, err
}

// readObject reads the object, which was checked.
func (r *userReading) readObject() error {
	reply := r.object
	r.settings = map[string]bool{}
	for _, f := range settingFields {
		is, present, err := reply.Bool(f.Source)
		if err == nil && !present {
			err = fmt.Errorf("itc: %s has no element %s", reply.Name(), f.Source)
		}
		if err != nil {
			return errcode.Wrap(errcode.PlatformError, err)
		}
		r.settings[f.Key] = is
	}
	r.own = map[*possession]*oci.Table{}
	for _, p := range possessions {
		if !translate.HasElement(reply, p.assigned) && p == &userPrefixes {
			continue
		}
		table, err := translate.TableOf(reply, p.assigned, p.startHeading, p.own.KeyKind)
		if err != nil {
			return err
		}
		r.own[p] = table
	}
	return nil
}
