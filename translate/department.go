package translate

import (
	"context"
	"errors"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"ocigate/oci"
	"ocigate/translate/scope"
)

const (
	departmentListCommand = "GroupDepartmentGetListRequest18"
	fullPathHeading       = "Full Path Name"
	groupIDHeading        = "Group Id"
	// pathSeparator joins the names in a department's path, parents first. A
	// name may hold it too.
	pathSeparator = ` \ `
)

// DepartmentShape is the object that answers hold of a department: its ids, its
// name, and the full path that the platform knows it by.
var DepartmentShape = &Shape{Fields: []Field{
	{Key: "tenantId", Example: "ApioSpTest"},
	{Key: "groupId", Example: "ApioGrpTest"},
	{Key: "departmentName", Example: "Coast"},
	{Key: "fullPathName", Example: `Sales \ Coast`},
}}

// departmentNames holds, for the paths of an answer, the last name where it is
// known for certain, else "".
type departmentNames map[string]string

// of is the name of the department with that path.
func (names departmentNames) of(path string) string {
	if name := names[path]; name != "" {
		return name
	}
	return lastPart(path)
}

// lastPart is what follows the last separator of a path.
func lastPart(path string) string {
	if last := strings.LastIndex(path, pathSeparator); last >= 0 {
		return path[last+len(pathSeparator):]
	}
	return path
}

// inEnterprise takes the text apart by which an enterprise knows a department: the
// path, and for a department of a group a blank and the group's id in parentheses
// behind it. groupID is the group that the row is about. Only its id is taken for
// one, since a name may hold parentheses itself. A department of the enterprise has
// no group. A text that fits both is taken for the group's.
func inEnterprise(text, groupID string) (group, name string) {
	rest, ok := strings.CutSuffix(text, ")")
	if groupID != "" && ok {
		if rest, ok = strings.CutSuffix(rest, groupID); ok {
			if path, ok := strings.CutSuffix(rest, " ("); ok {
				return groupID, lastPart(path)
			}
		}
	}
	return "", lastPart(text)
}

// departmentList lists a group's departments. Those of an enterprise are left
// out: its groups have no lists of their own to be shown.
var departmentList = Listing{
	Command: departmentListCommand,
	Elements: func(t scope.Target) []oci.Element {
		return append(GroupElements(t), oci.Text("includeEnterpriseDepartments", "false"))
	},
	Table: "departmentTable",
	Key:   fullPathHeading,
}

const (
	// maxDepartments bounds the memory for departments, in paths of all groups.
	maxDepartments = 20_000
	// departmentTTL is how long a path is remembered. A department that gets
	// another name or another parent gets another path, which is asked for at
	// once. So this is only how long it may take until two departments of one
	// path, which is possible where a name holds the separator, are noticed.
	departmentTTL = 5 * time.Minute
)

// departments remembers names of departments, by group and full path. What the
// platform's list does not have is remembered, too. It is safe for several
// goroutines.
type departments struct {
	known *lru.Cache[departmentKey, rememberedName]
}

type departmentKey struct{ tenantID, groupID, path string }

type rememberedName struct {
	name  string // "" where it is not certain
	until time.Time
}

func newDepartments() *departments {
	return &departments{newMemory[departmentKey, rememberedName](maxDepartments)}
}

// recall adds the names of paths to names. It returns those that are not
// remembered, each once.
func (d *departments) recall(target scope.Target, a *Answer) (names departmentNames, unknown []string) {
	now, last := time.Now(), ""
	for path := range a.longPaths() {
		if path == last {
			continue // as it mostly is in the rows of a group
		}
		last = path
		if _, found := names[path]; found {
			continue
		}
		if names == nil {
			names = departmentNames{}
		}
		remembered, _ := d.known.Get(departmentKey{target.TenantID, target.GroupID, path})
		names[path] = remembered.name
		if !now.Before(remembered.until) {
			unknown = append(unknown, path)
		}
	}
	return names, unknown
}

// remember notes the names of paths that were asked for.
func (d *departments) remember(target scope.Target, paths []string, names departmentNames, asked time.Time) {
	for _, path := range paths {
		// A cell is a piece of its table's text, which must not live as long.
		key := departmentKey{target.TenantID, target.GroupID, strings.Clone(path)}
		d.known.Add(key, rememberedName{strings.Clone(names[path]), asked.Add(departmentTTL)})
	}
}

// named gives an answer the names of its departments. The platform is asked only
// for paths that hold the separator, because any other is a name by itself, and
// only where one of them is not remembered. Where the platform refuses, or does
// not know the command, the part after the last separator is taken for the name, as
// the API's documents do.
func (e *Engine) named(ctx context.Context, a *Answer) (*Answer, error) {
	var unknown []string
	if a.names, unknown = e.departments.recall(a.target, a); len(unknown) == 0 {
		return a, nil
	}
	asked := time.Now()
	replies, err := e.Read(ctx, departmentList.Read(a.target))
	if _, unsupported := errors.AsType[*oci.UnsupportedError](err); unsupported {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	if refusal := replies[0].Err(); refusal != nil {
		return a, nil //nolint:nilerr // see above: the names are a help, not a need
	}
	table, err := TableOf(replies[0], departmentList.Table, departmentList.Key, departmentList.KeyKind)
	if err != nil {
		return nil, err
	}
	listed := readDepartmentNames(table, unknown)
	for _, path := range unknown {
		a.names[path] = listed[path]
	}
	e.departments.remember(a.target, unknown, listed, asked)
	return a, nil
}

// longPaths goes through the texts of departments that hold the separator.
func (a *Answer) longPaths() func(yield func(path string) bool) {
	return func(yield func(path string) bool) { longPathsIn(a.shape, a.values, yield) }
}

// longPathsIn goes through those of an object.
func longPathsIn(s *Shape, values []answerValue, yield func(path string) bool) (more bool) {
	for i := range values {
		if !values[i].longPaths(&s.Fields[i], yield) {
			return false
		}
	}
	return true
}

func (v *answerValue) longPaths(f *Field, yield func(path string) bool) (more bool) {
	switch {
	case v.isTable():
		return v.rows.longPaths(yield)
	case f.Kind == Department:
		return !strings.Contains(v.text, pathSeparator) || yield(v.text)
	case f.Kind == Object && v.parts != nil:
		return longPathsIn(f.Item, v.parts, yield)
	case f.Kind == List && f.Item != nil:
		for i := range v.parts {
			if !longPathsIn(f.Item, v.parts[i].parts, yield) {
				return false
			}
		}
	}
	return true
}

func (r *rows) longPaths(yield func(path string) bool) (more bool) {
	for i := range r.fields {
		if object := r.objects[i]; object != nil && !object.longPaths(yield) {
			return false
		}
		if r.fields[i].Kind != Department || r.columns[i] == oci.NoColumn {
			continue
		}
		for row := range r.table.Rows() {
			if path := row.Cell(r.columns[i]); strings.Contains(path, pathSeparator) && !yield(path) {
				return false
			}
		}
	}
	return true
}

// readDepartmentNames reads the names of paths from the platform's list of
// departments. Two departments may have the same path, where a name holds the
// separator: of those no name is certain.
func readDepartmentNames(table *oci.Table, paths []string) departmentNames {
	path, name := table.Column(fullPathHeading), table.Column("Department Name")
	wanted, names := map[string]bool{}, departmentNames{}
	for _, p := range paths {
		wanted[p] = true
	}
	for row := range table.Rows() {
		key, value := row.Cell(path), row.Cell(name)
		if !wanted[key] {
			continue
		}
		if known, twice := names[key]; twice && known != value {
			value = ""
		}
		names[key] = value
	}
	return names
}

// appendDepartment appends the object of a department.
func (a *Answer) appendDepartment(b []byte, groupID, name, path string) []byte {
	before := byte('{')
	for i, value := range [...]string{a.target.TenantID, groupID, name, path} {
		b = appendString(appendKey(b, before, DepartmentShape.Fields[i].Key), value)
		before = ','
	}
	return append(b, '}')
}
