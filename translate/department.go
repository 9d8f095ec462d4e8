package translate

import (
	"context"
	"strings"

	"ocigate/oci"
)

const (
	departmentListCommand = "GroupDepartmentGetListRequest18"
	departmentHeading     = "Department"
	fullPathHeading       = "Full Path Name"
	// pathSeparator joins the names in a department's path, parents first. A
	// name may hold it too.
	pathSeparator = ` \ `
)

// Department is a group's department.
type Department struct {
	TenantID       string `json:"tenantId"`
	GroupID        string `json:"groupId"`
	DepartmentName string `json:"departmentName"` // the last name of the path
	FullPathName   string `json:"fullPathName"`
}

// departmentNames holds the last name of each path of which it is known for
// certain.
type departmentNames map[string]string

// departments asks the platform for the names in the paths of a table. It asks
// only where a path holds the separator, because any other is a name by
// itself. Where the platform refuses to tell, the part after the last separator
// is taken for the name, as the API's documents do.
func (s *ITC) departments(ctx context.Context, group Group, table *oci.Table) (departmentNames, error) {
	if !hasLongPath(table) {
		return departmentNames{}, nil
	}
	replies, err := s.read(ctx, departmentList(group))
	if err != nil {
		return nil, err
	}
	if refusal := replies[0].Err(); refusal != nil {
		return departmentNames{}, nil //nolint:nilerr // see above: the list is a help, not a need
	}
	departments, err := tableOf(replies[0], "departmentTable", fullPathHeading)
	if err != nil {
		return nil, err
	}
	return readDepartmentNames(departments), nil
}

func hasLongPath(table *oci.Table) bool {
	column := table.Column(departmentHeading)
	for row := range table.Rows() {
		if strings.Contains(row.Cell(column), pathSeparator) {
			return true
		}
	}
	return false
}

// departmentList lists the group's departments. Those of an enterprise are
// left out: its groups have no lists of their own to be shown.
func departmentList(group Group) oci.Read {
	return oci.NewRead(departmentListCommand, append(group.elements(), oci.Text("includeEnterpriseDepartments", "false"))...)
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

// department makes the value for a cell, nil for an empty one.
func (names departmentNames) department(group Group, path string) *Department {
	if path == "" {
		return nil
	}
	name := names[path]
	if name == "" {
		name = path
		if last := strings.LastIndex(path, pathSeparator); last >= 0 {
			name = path[last+len(pathSeparator):]
		}
	}
	return &Department{TenantID: group.TenantID, GroupID: group.GroupID, DepartmentName: name, FullPathName: path}
}
