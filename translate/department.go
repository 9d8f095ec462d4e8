package translate

import (
	"context"
	"errors"
	"strings"

	"ocigate/oci"
	"ocigate/translate/scope"
)

const (
	departmentListCommand = "GroupDepartmentGetListRequest18"
	fullPathHeading       = "Full Path Name"
	// pathSeparator joins the names in a department's path, parents first. A
	// name may hold it too.
	pathSeparator = ` \ `
)

// departmentNames holds the last name of each path of which it is known for
// certain.
type departmentNames map[string]string

// nameDepartments asks the platform for the names in the list's paths. It asks
// only where a path holds the separator, because any other is a name by
// itself. Where the platform refuses to tell, or does not know the command, the
// part after the last separator is taken for the name, as the API's documents do.
func (s *ITC) nameDepartments(ctx context.Context, group scope.Target, list *List) error {
	if !list.hasLongPath() {
		return nil
	}
	replies, err := s.read(ctx, departmentList(group))
	if _, unsupported := errors.AsType[*oci.UnsupportedError](err); unsupported {
		return nil
	}
	if err != nil {
		return err
	}
	if refusal := replies[0].Err(); refusal != nil {
		return nil //nolint:nilerr // see above: the names are a help, not a need
	}
	departments, err := tableOf(replies[0], "departmentTable", fullPathHeading)
	if err != nil {
		return err
	}
	list.departments = readDepartmentNames(departments)
	return nil
}

func (l *List) hasLongPath() bool {
	for i, f := range l.fields {
		if f.kind != department {
			continue
		}
		for row := range l.table.Rows() {
			if strings.Contains(row.Cell(l.columns[i]), pathSeparator) {
				return true
			}
		}
	}
	return false
}

// departmentList lists the group's departments. Those of an enterprise are
// left out: its groups have no lists of their own to be shown.
func departmentList(group scope.Target) oci.Read {
	return oci.NewRead(departmentListCommand, append(elementsOf(group), oci.Text("includeEnterpriseDepartments", "false"))...)
}

// readDepartmentNames reads the platform's list of departments. Two
// departments may have the same path, where a name holds the separator: of
// those no name is certain.
func readDepartmentNames(table *oci.Table) departmentNames {
	path, name := table.Column(fullPathHeading), table.Column("Department Name")
	names := make(departmentNames, table.Len())
	for row := range table.Rows() {
		key, value := row.Cell(path), row.Cell(name)
		if known, twice := names[key]; twice && known != value {
			value = ""
		}
		names[key] = value
	}
	return names
}

// of is the name of the department with that path.
func (names departmentNames) of(path string) string {
	if name := names[path]; name != "" {
		return name
	}
	if last := strings.LastIndex(path, pathSeparator); last >= 0 {
		return path[last+len(pathSeparator):]
	}
	return path
}

// appendDepartment appends the object of the department with that path.
func (l *List) appendDepartment(b []byte, path string) []byte {
	b = appendString(append(b, `{"tenantId":`...), l.group.TenantID)
	b = appendString(append(b, `,"groupId":`...), l.group.GroupID)
	b = appendString(append(b, `,"departmentName":`...), l.departments.of(path))
	b = appendString(append(b, `,"fullPathName":`...), path)
	return append(b, '}')
}
