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
	fullPathKey           = "fullPathName"
	groupIDHeading        = "Group Id"
	// pathSeparator joins the names in a department's path, parents first. A name
	// may contain it.
	pathSeparator = ` \ `
)

// DepartmentShape is the object of a department in responses: its ids, its name,
// and the full path by which the platform identifies it.
var DepartmentShape = &Shape{Name: "Department", Fields: []Field{
	{Key: "tenantId", Example: "ApioSpTest", Doc: "The tenant."},
	{Key: "groupId", Example: "ApioGrpTest", Doc: "The group; empty for a department of the enterprise itself."},
	{Key: "departmentName", Example: "Coast", Doc: "The last part of the path."},
	{Key: fullPathKey, Example: `Sales \ Coast`, Doc: "The departments from the top down, joined by a backslash between blanks."},
}}

// departmentNames has, by path, the name of a department if it is certain, else
// "".
type departmentNames map[string]string

// nameOf returns the name of the department with that path.
func (names departmentNames) nameOf(path string) string {
	if name := names[path]; name != "" {
		return name
	}
	return lastPart(path)
}

// lastPart returns what follows the last separator of a path.
func lastPart(path string) string {
	if last := strings.LastIndex(path, pathSeparator); last >= 0 {
		return path[last+len(pathSeparator):]
	}
	return path
}

// parseEnterpriseDepartment splits the text that identifies a department in a
// table of an enterprise: the path and, for a department of a group, a blank and
// the id of the group in parentheses. A department of the enterprise has no
// group. groupID is the group of the row. Only its id is recognized as a group,
// since a name may contain parentheses. A text that fits both forms counts as a
// department of the group.
func parseEnterpriseDepartment(text, groupID string) (group, name string) {
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

// departmentList lists the departments of a group. It leaves out those of an
// enterprise, whose groups have no lists of their own in the API.
var departmentList = Listing{
	Command: departmentListCommand,
	Elements: func(t scope.Target) []oci.Element {
		return append(GroupElements(t), oci.Text("includeEnterpriseDepartments", "false"))
	},
	Table: "departmentTable",
	Key:   fullPathHeading,
}

const (
	// maxDepartments limits the cached paths, of all groups together.
	maxDepartments = 20_000
	// departmentTTL is how long a path is cached. A department with a new name or
	// parent has a new path, which is read immediately. So it only limits how
	// long it takes until two departments with the same path are noticed, which
	// is possible if a name contains the separator.
	departmentTTL = 5 * time.Minute
)

// departments caches the names of departments, by group and full path. It also
// caches that the platform's list does not have a path. The cache locks itself.
type departments struct {
	cache *lru.Cache[departmentKey, cachedName]
}

type departmentKey struct{ tenantID, groupID, path string }

type cachedName struct {
	name  string // "" if it is not certain
	until time.Time
}

func newDepartments() *departments {
	return &departments{newCache[departmentKey, cachedName](maxDepartments)}
}

// lookup returns the cached names of the paths in an answer, and the paths that
// are not cached, each once.
func (d *departments) lookup(target scope.Target, a *Answer) (names departmentNames, unknown []string) {
	now, last := time.Now(), ""
	for path := range a.ambiguousPaths() {
		if path == last {
			continue // common, since rows of one department follow each other
		}
		last = path
		if _, found := names[path]; found {
			continue
		}
		if names == nil {
			names = departmentNames{}
		}
		cached, _ := d.cache.Get(departmentKey{target.TenantID, target.GroupID, path})
		names[path] = cached.name
		if !now.Before(cached.until) {
			unknown = append(unknown, path)
		}
	}
	return names, unknown
}

// add caches the names of paths that were read.
func (d *departments) add(target scope.Target, paths []string, names departmentNames, asked time.Time) {
	for _, path := range paths {
		// A cell shares the memory of its table, which must not be kept that
		// long.
		key := departmentKey{target.TenantID, target.GroupID, strings.Clone(path)}
		d.cache.Add(key, cachedName{strings.Clone(names[path]), asked.Add(departmentTTL)})
	}
}

// withDepartmentNames adds the names of its departments to an answer. It reads
// the platform only for paths that contain the separator, since any other path is
// the name, and only if one of them is not cached. If the platform refuses the
// command or does not support it, the part after the last separator is taken as
// the name, as in the documents of the API.
func (e *Engine) withDepartmentNames(ctx context.Context, a *Answer) (*Answer, error) {
	var unknown []string
	if a.names, unknown = e.departments.lookup(a.target, a); len(unknown) == 0 {
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
		return a, nil //nolint:nilerr // the response is complete without the names
	}
	table, err := TableOf(replies[0], departmentList.Table, departmentList.Key, departmentList.KeyKind)
	if err != nil {
		return nil, err
	}
	listed := readDepartmentNames(table, unknown)
	for _, path := range unknown {
		a.names[path] = listed[path]
	}
	e.departments.add(a.target, unknown, listed, asked)
	return a, nil
}

// ambiguousPaths iterates over the paths of departments that contain the
// separator.
func (a *Answer) ambiguousPaths() func(yield func(path string) bool) {
	return func(yield func(path string) bool) { ambiguousPathsIn(a.shape, a.values, yield) }
}

// ambiguousPathsIn calls yield for those of an object.
func ambiguousPathsIn(s *Shape, values []answerValue, yield func(path string) bool) (more bool) {
	for i := range values {
		if !values[i].ambiguousPaths(&s.Fields[i], yield) {
			return false
		}
	}
	return true
}

func (v *answerValue) ambiguousPaths(f *Field, yield func(path string) bool) (more bool) {
	switch {
	case v.isTable():
		return v.rows.ambiguousPaths(yield)
	case f.Kind == Department:
		return !strings.Contains(v.text, pathSeparator) || yield(v.text)
	case f.Kind == Object && v.parts != nil:
		return ambiguousPathsIn(f.Item, v.parts, yield)
	case f.Kind == List && f.Item != nil:
		for i := range v.parts {
			if !ambiguousPathsIn(f.Item, v.parts[i].parts, yield) {
				return false
			}
		}
	}
	return true
}

func (r *rows) ambiguousPaths(yield func(path string) bool) (more bool) {
	for i := range r.fields {
		if object := r.objects[i]; object != nil && !object.ambiguousPaths(yield) {
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
// departments. If two departments have the same path, because a name contains the
// separator, and their names differ, neither name is certain.
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
