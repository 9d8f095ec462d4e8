package ocisim

import "slices"

// service is one service of the platform with its commands. To add a service,
// add its file and its line in services.
type service struct {
	// name is the service's name in authorizations, seeds and messages.
	name     string
	commands []commandRow
	// numbers are the elements of its requests that hold numbers, which the
	// ledger records.
	numbers []string
	// newState returns what a platform that holds nothing has of the service.
	newState func() serviceState
}

// serviceState is what one platform has of a service. The platform's mu guards
// it.
type serviceState interface {
	// loadTenant adds the service's part of a tenant's seed. The builder calls it
	// once for each tenant, after it has built the tenant with its groups and
	// users. It reports problems to the builder; where is the path of the tenant
	// in the seed.
	loadTenant(b *builder, where string, t *tenant, seed Tenant)
}

// services are the services of the platform. The lists of authorizations have
// all of them, authorized or not.
var services = []*service{routeListService}

// serviceCommands returns the commands of all services.
func serviceCommands() []commandRow {
	var rows []commandRow
	for _, s := range services {
		rows = append(rows, s.commands...)
	}
	return rows
}

// holdsNumber reports whether an element of that name holds a number of some
// service.
func holdsNumber(element string) bool {
	return slices.ContainsFunc(services, func(s *service) bool { return slices.Contains(s.numbers, element) })
}
