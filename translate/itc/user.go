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

	// rangesOnlyResponse is the reply to userGetCommand of a platform that only
	// supports its oldest form, from a release without prefixes.
	rangesOnlyResponse = "UserRouteListGetResponse"
)

// settingFields are the settings of a user, in the order of the schema.
var settingFields = []translate.Field{
	{Key: "treatOriginationsAndPBXRedirectionsAsScreened", Kind: translate.Boolean, Source: "treatOriginationsAndPBXRedirectionsAsScreened", Example: "false",
		Doc: "Whether the caller ids of originations and of redirections by the PBX count as screened."},
	{Key: "useImmediateTrunkingConnectivityIdentityForNonEmergencyCalls", Kind: translate.Boolean, Source: "useRouteListIdentityForNonEmergencyCalls", Example: "true",
		Doc: "Whether calls other than emergency calls show the identity of the range or prefix."},
	{Key: "useImmediateTrunkingConnectivityIdentityForEmergencyCalls", Kind: translate.Boolean, Source: "useRouteListIdentityForEmergencyCalls", Example: "false",
		Doc: "Whether emergency calls show the identity of the range or prefix."},
}

// A userResource is a resource with everything in which the number ranges and the
// prefixes of a user differ.
type userResource struct {
	*resource
	tenant *tenantLists
	// assigned is the table of what the user has.
	assigned string
	// newList and newElement are elements of the command that changes the user:
	// the list, and each of its entries.
	newList, newElement string
}

var (
	userRanges = userResource{
		resource: &numberRanges, tenant: &tenantRanges, assigned: "assignedNumberRangeTable",
		newList: "assignedNumberRangeStartList", newElement: "phoneNumber",
	}
	userPrefixes = userResource{
		resource: &numberPrefixes, tenant: &tenantPrefixes, assigned: "assignedNumberPrefixTable",
		newList: "assignedNumberPrefixList", newElement: "numberPrefix",
	}
)

// listings returns the listing of what the user's group has and, for Enterprise
// mode, that of what the enterprise has. Both show which user has each entry.
func (p *userResource) listings() (group, enterprise translate.Listing) {
	i := slices.IndexFunc(p.tenant.all.Listings, func(f translate.FactListing) bool { return f.Fact == translate.EnterpriseMode })
	return p.own, p.tenant.all.Listings[i].Listing
}

// userResources are both, in the order of bodies and of the schema.
var userResources = []*userResource{&userRanges, &userPrefixes}

// userBody is what a user has of the service. A release without prefixes has no
// list of them.
var userBody = &translate.Shape{Name: "ItcUser", Fields: append(slices.Clone(settingFields),
	translate.Field{Key: numbersKey, Kind: translate.List, Source: userRanges.assigned, Doc: "The number ranges of the user.", Item: &translate.Shape{Name: "ItcUserNumber", Fields: slices.Concat(rangeFields, rangeStateFields)}},
	translate.Field{Key: prefixesKey, Kind: translate.List, Source: userPrefixes.assigned, Optional: true, Doc: "The prefixes of the user; absent if the platform's release has none.", Item: &translate.Shape{Name: "ItcUserPrefix", Fields: slices.Concat(prefixFields, prefixStateFields)}},
)}

// User returns the query for what a user has of the service: settings, number
// ranges and prefixes.
func (s *Service) User() translate.Query { return userQuery{s} }

// SetUser returns the change of what a user has of the service. Members that are
// absent from the body stay unchanged. A list replaces the entire list.
func (s *Service) SetUser() translate.Change { return userChange{s} }

// userQuery is the Query of a user.
type userQuery struct{ service *Service }

// Describe implements [translate.Query].
func (userQuery) Describe() translate.Description {
	return translate.Description{
		Reads:    userReads(),
		Response: userBody,
		Errors:   translate.CodesOnce(userContext.Errors(), []*errcode.Code{errcode.NotAvailableInRelease}),
	}
}

// userReads returns the names of the commands that read a user, and of those of
// the listings.
func userReads(listings ...translate.Listing) []string {
	names := append(translate.ReadsOf(userContext, listings...), userGetCommand)
	slices.Sort(names)
	return names
}

// Read implements [translate.Query].
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
		return nil, err // not object: a nil *Answer in a Body is not nil
	}
	return object, nil
}

func userRead(target scope.Target) oci.Read {
	return oci.NewRead(userGetCommand, translate.UserElements(target)...)
}

// checkUser returns the error in the reply to userGetCommand.
func (s *Service) checkUser(reply oci.Reply, target scope.Target) error {
	if err := s.engine.ResultInContext(reply, target, userContext); err != nil {
		return err
	}
	if reply.Name() != rangesOnlyResponse && !translate.HasElement(reply, userPrefixes.assigned) {
		return errcode.Wrap(errcode.PlatformError, fmt.Errorf("itc: %s has no table %s", reply.Name(), userPrefixes.assigned))
	}
	return nil
}

// userReading is what one document shows of a user.
type userReading struct {
	endpoint string // the platform endpoint
	// context is the error that reports that the user is not in the context. If
	// it is set, only endpoint and refusal are set besides.
	context error
	// refusal is the error in the reply about the user: the user does not exist
	// any more, or does not have the service. If it is nil although context is
	// set, the user is in another context, and what they have there is unknown.
	refusal    error
	enterprise bool      // the tenant is in Enterprise mode
	object     oci.Reply // what the user has
	settings   map[string]bool
	// own are the tables of what the user has. There is none of prefixes on a
	// release without them. all are the tables of what the user's group has or,
	// in an enterprise, what the enterprise has, for each resource that was read.
	own, all map[*userResource]*oci.Table
}

// readUser reads a user and the lists of those resources. It does not use the
// cache of contexts, since the user may have moved to another group.
func (s *Service) readUser(ctx context.Context, target scope.Target, listed ...*userResource) (*userReading, error) {
	commands := []oci.Read{userRead(target)}
	for _, p := range listed {
		// The mode is in a reply to the same document, so both are read and one
		// is used.
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
		r.refusal = s.engine.ResultInContext(answered.Replies[0], target, userContext)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// readInContext reads the replies about a user who is in the context.
func (s *Service) readInContext(r *userReading, target scope.Target, answered *translate.Reading, listed []*userResource) error {
	r.enterprise = answered.Facts[modeQuestion.Name] == translate.EnterpriseMode
	r.object = answered.Replies[0]
	if err := s.checkUser(r.object, target); err != nil {
		return err
	}
	if err := r.readObject(); err != nil {
		return err
	}
	r.all = map[*userResource]*oci.Table{}
	for i, p := range listed {
		group, enterprise := p.listings()
		reply, listing := answered.Replies[1+2*i], group
		if r.enterprise {
			reply, listing = answered.Replies[2+2*i], enterprise
		}
		table, err := s.tableWithUsers(reply, target, listing)
		if err != nil {
			return err
		}
		r.all[p] = table
	}
	return nil
}

// tableWithUsers returns the table in the reply to a listing. It must show which
// user has each of its rows.
func (s *Service) tableWithUsers(reply oci.Reply, target scope.Target, l translate.Listing) (*oci.Table, error) {
	table, err := s.engine.TableIn(reply, target, l)
	if err == nil && table.Column(userIDHeading) == oci.NoColumn {
		err = errcode.Wrap(errcode.PlatformError, fmt.Errorf("itc: table %s has no column %q", l.Table, userIDHeading))
	}
	return table, err
}

// readObject reads the reply about the user, which was checked.
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
	r.own = map[*userResource]*oci.Table{}
	for _, p := range userResources {
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
