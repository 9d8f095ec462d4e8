package translate

import (
	"context"
	"fmt"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// table asks one question that is answered with a table.
func (s *ITC) table(ctx context.Context, command oci.Read, element, key string) (*oci.Table, error) {
	replies, err := s.read(ctx, command)
	if err != nil {
		return nil, err
	}
	if err := s.errors.ReadResult(replies[0]); err != nil {
		return nil, err
	}
	return tableOf(replies[0], element, key)
}

// tableOf finds the table in a reply. It must have the column that identifies
// its rows; any other may be missing, since releases differ, and reads as
// empty.
func tableOf(reply oci.Reply, element, key string) (*oci.Table, error) {
	table, err := reply.Table(element)
	if err != nil {
		return nil, errcode.Because(errcode.PlatformError, err)
	}
	if table.Column(key) == oci.NoColumn {
		return nil, errcode.Because(errcode.PlatformError,
			fmt.Errorf("translate: table %s of %s has no column %q", element, reply.Name(), key))
	}
	return table, nil
}

// readRows reads each row of a table. The result is empty rather than nil, as
// the API's lists are [] and never null.
func readRows[T any](table *oci.Table, read func(oci.Row) (T, error)) ([]T, error) {
	values := make([]T, 0, table.Len())
	for row := range table.Rows() {
		value, err := read(row)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

// activity reads the column "Is Active". Where a release does not have the
// column it is false, as empty as a boolean can be; a cell must hold true or
// false.
func activity(table *oci.Table) func(oci.Row) (bool, error) {
	column := table.Column("Is Active")
	return func(row oci.Row) (bool, error) {
		switch cell := row.Cell(column); {
		case cell == "true":
			return true, nil
		case cell == "false", column == oci.NoColumn:
			return false, nil
		default:
			return false, errcode.Because(errcode.PlatformError,
				fmt.Errorf(`translate: a cell of column "Is Active" holds %q`, cell))
		}
	}
}

// Owner is who has a range or prefix. Without a user all but GroupID is empty.
type Owner struct {
	GroupID         string      `json:"groupId"`
	UserID          string      `json:"userId"`
	LastName        string      `json:"lastName"`
	FirstName       string      `json:"firstName"`
	PhoneNumber     string      `json:"phoneNumber"` // + and digits
	Extension       string      `json:"extension"`
	Department      *Department `json:"department,omitempty"`
	EmailAddress    string      `json:"emailAddress"`
	EnterpriseTrunk string      `json:"enterpriseTrunk"`
}

// owners reads the columns that tell who has a row's range or prefix. A table
// without the column "Group Id" is one of the group's own.
func owners(table *oci.Table, group Group, departments departmentNames) func(oci.Row) Owner {
	groupID := table.Column("Group Id")
	userID := table.Column("User Id")
	lastName := table.Column("Last Name")
	firstName := table.Column("First Name")
	phoneNumber := table.Column("Phone Number")
	extension := table.Column("Extension")
	department := table.Column(departmentHeading)
	emailAddress := table.Column("Email Address")
	enterpriseTrunk := table.Column("Enterprise Trunk")
	return func(row oci.Row) Owner {
		owner := Owner{
			GroupID:         group.GroupID,
			UserID:          row.Cell(userID),
			LastName:        row.Cell(lastName),
			FirstName:       row.Cell(firstName),
			PhoneNumber:     canonical(row.Cell(phoneNumber)),
			Extension:       row.Cell(extension),
			Department:      departments.department(group, row.Cell(department)),
			EmailAddress:    row.Cell(emailAddress),
			EnterpriseTrunk: row.Cell(enterpriseTrunk),
		}
		if groupID != oci.NoColumn {
			owner.GroupID = row.Cell(groupID)
		}
		return owner
	}
}
