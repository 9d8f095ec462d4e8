package translate

// Shape declares a JSON object: the body of a request or of an answer, or an
// object inside of one. Decoding, encoding and description are made of it, so no
// other place knows a key.
type Shape struct {
	Fields []Field
}

// Field is one member of an object.
type Field struct {
	// Key is the JSON key. It is written as it is, so it must not need an escape.
	Key  string
	Kind Kind
	// Min and Max are limits of a request: of a text in characters, of a list in
	// entries, of an integer the number itself. Both are included.
	Min, Max int
	// Optional: a request may leave it out. Of an answer: it may be absent, as it is
	// in a row where the table does not have the column, and of an element where the
	// reply does not have it.
	Optional bool
	// Nullable: a request may set it to null, which is not the same as leaving it
	// out. Of an answer: it is null where a cell is empty, and where an element is
	// marked as nil or, unless the field is optional, is not there.
	Nullable bool
	// Unit is what an integer counts, in the plural. Errors name it.
	Unit string
	// Example is for people.
	Example string
	// Source is where an answer takes it from: the heading of a column, for a
	// field of a row, or else the name of an element of the reply, or of the element
	// that the object around it is. An object in a row has none: its fields are
	// columns of the same row.
	Source string
	// Item is the shape of a list's entries, or of an object.
	Item *Shape
	// Each declares the entries of a list of texts, phone numbers or prefixes: their
	// kind and limits. It takes the place of Item.
	Each *Field
	// Repeated: the entries of a list of objects are all elements of an answer that
	// have the name Source, and not the rows of the table in the only one. Those of a
	// list with Each always are. A list without such elements is empty.
	Repeated bool
	// UniqueBy is a key of a list's entries, by which no two may be the same in a
	// request. It is of a text, phone number or prefix.
	UniqueBy string
	// NotBelow is the key of a phone number before this one in the same object,
	// below which this one must not be in a request.
	NotBelow string
}

// Kind is what a field holds.
type Kind int

// The kinds. Where a table does not have the column of a field that is not optional,
// since releases differ, the cell counts as empty.
const (
	// Text is a string. In an answer it is the platform's text as it is.
	Text Kind = iota
	// PhoneNumber is a string. A request may spell a number with dashes and blanks
	// between its digits; an answer has the + and digits of the platform's text.
	PhoneNumber
	// Prefix is a string: the beginning of phone numbers. A request may spell it as
	// a phone number; an answer has the platform's text as it is.
	Prefix
	// Boolean is true or false. In an answer it is false without the column.
	Boolean
	// GroupID is a string of an answer: the group of the target without the column or
	// element.
	GroupID
	// Department is an object of an answer, absent where the platform's text, a
	// full path, is empty. Its shape is [DepartmentShape].
	Department
	// EnterpriseDepartment is the same in a row of a table of an enterprise, in which the
	// group's id is behind the path of a group's department. The id must be that of
	// the row, which is in the column Group Id. The platform is not asked for names:
	// the name is the last part of the path.
	EnterpriseDepartment
	// List is a list of objects, or of texts where the field has Each.
	List
	// Object is an object. In a row it is empty where all of its cells are.
	Object
	// Integer is a number without fraction and exponent. In an answer it is the
	// platform's text, which must be one. An empty cell is none: it makes an optional
	// field absent, a nullable one null, and is the platform's fault otherwise.
	Integer
)

// New kinds go to the end: the numbers of the kinds are part of entity tags.

// isNumber reports whether the kind's texts are phone numbers or prefixes.
func (k Kind) isNumber() bool { return k == PhoneNumber || k == Prefix }

// field finds a field by its key, -1 for none.
func (s *Shape) field(key string) int {
	for i := range s.Fields {
		if s.Fields[i].Key == key {
			return i
		}
	}
	return -1
}

// has reports whether the shape has a field of that kind, at any depth.
func (s *Shape) has(kind Kind) bool {
	for _, f := range s.Fields {
		if f.Kind == kind || f.Item != nil && f.Item.has(kind) {
			return true
		}
	}
	return false
}
