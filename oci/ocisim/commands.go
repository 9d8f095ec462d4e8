package ocisim

import (
	"iter"
	"maps"
	"slices"
)

// commandRow is all there is to a command. To add one is to write a row and
// the function that carries it out.
type commandRow struct {
	name string
	// since is the first release that has the command, 0 where all have it.
	since int
	// releaseIndependent marks commands of platforms whose version is a year.
	releaseIndependent bool
	// least is the lowest login type that may send the command.
	least level
	// aboutUser marks commands whose userId names a user of a group.
	aboutUser bool
	// writes marks commands that change the platform.
	writes bool
	// closes ends the connection after the answer.
	closes bool
	schema []particle
	// do carries the command out, all of it or nothing. Without data the
	// answer is a SuccessResponse.
	do func(*call) ([]node, *refusal)
}

// commandTable is every command of the platform by name.
var commandTable = tabulate(loginCommands, contextCommands, groupRouteListCommands(), tenantRouteListCommands(), enterpriseRouteListCommands(), userRouteListCommands, userCommands)

func tabulate(lists ...[]commandRow) map[string]*commandRow {
	rows := map[string]*commandRow{}
	for _, list := range lists {
		for i := range list {
			rows[list[i].name] = &list[i]
		}
	}
	return rows
}

// Commands are the names of the commands of all releases, in alphabetical order.
func Commands() iter.Seq[string] {
	return slices.Values(slices.Sorted(maps.Keys(commandTable)))
}

// Particles that several commands share. Lengths are the schema's.
var (
	userID            = one("userId", token(1, 161))
	serviceProviderID = one("serviceProviderId", token(1, 30))
	groupID           = one("groupId", token(1, 30))
	password          = one("password", token(1, 60))
)
