package ocisim

import (
	"iter"
	"maps"
	"slices"
)

// commandRow is the complete definition of a command. To add a command, add a
// row and the function that carries it out.
type commandRow struct {
	name string
	// since is the first release that has the command; 0 means all.
	since int
	// releaseIndependent marks commands of platforms whose version is a year.
	releaseIndependent bool
	// least is the lowest login type that may send the command.
	least level
	// aboutUser marks commands whose userId is the id of a user of a group.
	aboutUser bool
	// writes marks commands that change the platform.
	writes bool
	// closes ends the connection after the reply.
	closes bool
	schema []particle
	// do carries out the command entirely or not at all. It returns the data of
	// the reply; nil means a SuccessResponse.
	do func(*call) ([]node, *refusal)
}

// commandTable has every command of the platform by name.
var commandTable = tabulate(loginCommands, administratorCommands, tenantCommands, groupCommands, userCommands, authorizationCommands, serviceCommands())

func tabulate(lists ...[]commandRow) map[string]*commandRow {
	rows := map[string]*commandRow{}
	for _, list := range lists {
		for i := range list {
			rows[list[i].name] = &list[i]
		}
	}
	return rows
}

// Commands returns the names of the commands of all releases, in alphabetical
// order.
func Commands() iter.Seq[string] {
	return slices.Values(slices.Sorted(maps.Keys(commandTable)))
}

// Particles that several commands share. Lengths are the schema's.
var (
	userID            = one("userId", token(1, 161))
	serviceProviderID = one("serviceProviderId", token(1, 30))
	groupID           = one("groupId", token(1, 30))
	password          = one("password", token(1, 60))

	responseSizeLimit = one("responseSizeLimit", integer(1, 1<<31-1)).optional()
)

// criteria returns a search criterion that can be repeated.
func criteria(name string, longest int) particle {
	return parent(name,
		one("mode", enum("Starts With", "Contains", "Equal To")),
		one("value", token(1, longest)),
		one("isCaseInsensitive", boolean),
	).many()
}
