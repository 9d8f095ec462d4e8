package docs

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/translate"
	"ocigate/translate/scope"
)

// A level is a level of callers with the description of its scope.
type level struct {
	auth.Level
	Scope string
}

// scopes describe what callers of a level may act on.
var scopes = map[auth.Level]string{
	auth.EndUser:         "The user themself.",
	auth.DepartmentAdmin: "No route is for this level yet.",
	auth.GroupAdmin:      "Their own group and its users.",
	auth.TenantAdmin:     "Their own tenant, with all of its groups and users.",
	auth.SystemAdmin:     "Every tenant.",
}

// levels returns all levels, the lowest one first.
func levels() []level {
	var found []level
	for _, l := range auth.Levels() {
		found = append(found, level{l, scopes[l]})
	}
	return found
}

// rights are the data of the page about rights.
type rights struct {
	Levels []level
	Groups []rightsGroup
}

// A rightsGroup has the routes whose paths begin alike.
type rightsGroup struct {
	Title, Prefix string
	Routes        []routeRights
}

// A routeRights has, for each level, whether it may call the route.
type routeRights struct {
	gateway.Route
	Short string // the path after the prefix of the group
	Cells []cell
}

// A cell is the right of one level to one route.
type cell struct {
	Allowed bool
	Text    string
}

// rightsOf returns the rights of every level to every route.
func rightsOf(routes []gateway.Route) rights {
	all := rights{Levels: levels()}
	for _, group := range []struct {
		title string
		scope scope.Scope
	}{
		{"Logging in, and operations", scope.System},
		{"A tenant", scope.Tenant},
		{"A group", scope.Group},
		{"A user", scope.User},
	} {
		rows := rightsGroup{Title: group.title, Prefix: gateway.Route{Scope: group.scope}.FullPath()}
		for _, route := range routes {
			if route.Scope == group.scope {
				rows.Routes = append(rows.Routes, routeRights{route, strings.TrimPrefix(route.FullPath(), rows.Prefix), cellsOf(route)})
			}
		}
		if len(rows.Routes) > 0 {
			all.Groups = append(all.Groups, rows)
		}
	}
	return all
}

func cellsOf(route gateway.Route) []cell {
	columns := auth.Levels()
	cells := make([]cell, len(columns))
	for i, level := range columns {
		switch {
		case route.Session != nil:
			cells[i] = cell{true, "everyone"}
		case level >= route.Level:
			cells[i] = cell{true, "yes"}
		case route.Self && level == auth.EndUser:
			cells[i] = cell{true, "themself"}
		default:
			cells[i] = cell{false, "no"}
		}
	}
	return cells
}

// A limit is a row of the table of limits of a route.
type limit struct {
	Where, What, Value string
}

// routeLimits are the limits of the routes that have the same ones.
type routeLimits struct {
	Routes []gateway.Route
	Limits []limit
}

// limitsOf returns the limits of bodies and parameters. Routes with the same limits
// share an entry.
func limitsOf(routes []gateway.Route) []routeLimits {
	var all []routeLimits
	index := map[string]int{}
	for _, route := range routes {
		described := route.Describe()
		var limits []limit
		if described.Request != nil {
			limits = shapeLimits("", described.Request)
		}
		for _, p := range families(described.Params) {
			limits = append(limits, limit{"query", p.Name, p.Allowed})
		}
		if len(limits) == 0 {
			continue
		}
		key := fmt.Sprint(limits)
		i, known := index[key]
		if !known {
			i = len(all)
			index[key] = i
			all = append(all, routeLimits{Limits: limits})
		}
		all[i].Routes = append(all[i].Routes, route)
	}
	return all
}

// shapeLimits returns the limits of the members of a body. path is that of the object,
// as a reader writes it.
func shapeLimits(path string, shape *translate.Shape) []limit {
	var limits []limit
	for _, f := range shape.Fields {
		value := fieldValues(f)
		if f.Optional {
			value += "; may be left out"
		}
		if f.Nullable {
			value += "; may be null"
		}
		limits = append(limits, limit{"body", path + f.Key, value})
		if f.Item != nil {
			inner := path + f.Key + "."
			if f.Kind == translate.List {
				inner = path + f.Key + "[]."
			}
			limits = append(limits, shapeLimits(inner, f.Item)...)
		}
	}
	return limits
}

// fieldValues describes the values that a member of a request may have.
func fieldValues(f translate.Field) string {
	switch f.Kind {
	case translate.Boolean:
		return "true or false"
	case translate.List:
		return fmt.Sprintf("%s to %s entries", thousands(f.Min), thousands(f.Max))
	case translate.Object:
		return "an object"
	case translate.Integer:
		return fmt.Sprintf("%s to %s", thousands(f.Min), thousands(f.Max))
	}
	return fmt.Sprintf("%s to %s characters", thousands(f.Min), thousands(f.Max))
}

// paramValues describes the values that a query parameter may have.
func paramValues(p translate.Param) string {
	switch p.Kind {
	case translate.BooleanParam:
		return "true or false"
	case translate.IntegerParam:
		return fmt.Sprintf("%s to %s", thousands(p.Min), thousands(p.Max))
	case translate.ChoiceParam:
		return strings.Join(p.Values, ", ")
	case translate.ChoicesParam:
		return "one or more of " + cmp.Or(p.ValuePattern, strings.Join(p.Values, ", ")) + ", separated by commas"
	}
	if p.Max == 0 {
		return "a text"
	}
	return fmt.Sprintf("%s to %s characters", thousands(p.Min), thousands(p.Max))
}

// thousands returns a number with commas: 10,000.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
