package translate

// A Shape declares a JSON object: a request body, a response body, or an object
// in one. Bodies are decoded, written and described from it, so that each key is
// declared in one place.
type Shape struct {
	// Name is the name of the shape in the description of the API. Generated clients
	// name types after it, so it must never change.
	Name   string
	Fields []Field
}

// EmptyShape is the response to a change that reports nothing but its success.
var EmptyShape = &Shape{Name: "Empty"}

// A Field is one member of an object.
type Field struct {
	// Key is the JSON key. It is written without escaping, so it must not need
	// any.
	Key  string
	Kind Kind
	// Min and Max limit a value of a request: the characters of a text, the
	// entries of a list, or an integer itself. Both are included.
	Min, Max int
	// Optional reports, for a request, whether the member may be left out. For a
	// response it reports whether the member may be absent: in a row, if the
	// table does not have the column; of an element, if the reply does not have
	// it.
	Optional bool
	// Nullable reports, for a request, whether the member may be null, which
	// differs from leaving it out. In a response, an empty cell is null, and so
	// is an element that is marked as nil or, unless the field is optional, is
	// absent.
	Nullable bool
	// Unit is what an integer counts, in the plural. Errors name it.
	Unit string
	// Doc describes the member in the documentation, in a sentence.
	Doc string
	// Example is an example value for the documentation.
	Example string
	// Values are all values that a text of a response can have, if they are known.
	// More may be added.
	Values []string
	// Source names where a response takes the value from. For a field of a row it
	// is the heading of a column; otherwise it is the name of an element of the
	// reply, or of the element that the surrounding object is read from. An
	// object in a row has no Source: its fields are columns of the same row.
	Source string
	// Item is the shape of an object, or of the entries of a list of objects.
	Item *Shape
	// Each declares the entries of a list of texts, phone numbers or prefixes:
	// their kind and limits. It replaces Item.
	Each *Field
	// Repeated reports whether the entries of a list of objects are all elements
	// of the reply that have the name Source, and not the rows of the table in
	// the only such element. A list with Each is always read from repeated
	// elements. Without such elements the list is empty.
	Repeated bool
	// UniqueBy is the key of a text, phone number or prefix in the entries of a
	// list. In a request, no two entries may have the same value of it.
	UniqueBy string
	// NotBelow is the key of a phone number that precedes this one in the same
	// object. In a request, this one must not be lower.
	NotBelow string
	// Word is the name of the member in the query parameters of a list whose
	// entries have it, in the words of the API family, such as UserLastName. The
	// list can be sorted by the member and, unless it is a phone number or
	// prefix, filtered by its text; see [ListParams]. If it is empty, the list
	// cannot. Only members of the entries themselves have a Word, and none of the
	// kinds Boolean, Integer, List and Object.
	Word string
}

// A Kind is the type of a field's value.
type Kind int

// The kinds. If a table does not have the column of a field that is not optional,
// since releases differ, its cells count as empty.
const (
	// Text is a string. A response has the platform's text unchanged.
	Text Kind = iota
	// PhoneNumber is a string. A request may have dashes and blanks between the
	// digits; a response has the + and the digits of the platform's text.
	PhoneNumber
	// Prefix is a string: the beginning of phone numbers. A request may spell it
	// like a phone number; a response has the platform's text unchanged.
	Prefix
	// Boolean is true or false. In a response it is false if there is no column.
	Boolean
	// GroupID is a string of a response. It is the group of the target if there
	// is no column or element.
	GroupID
	// Department is an object of a response, of the shape [DepartmentShape]. It
	// is absent if the platform's text, a full path, is empty.
	Department
	// EnterpriseDepartment is a Department in a row of a table of an enterprise.
	// The platform's text is the path and, for a department of a group, the id of
	// the group. That id must be the one in the column Group Id of the row. The
	// platform is not asked for the name: it is the last part of the path.
	EnterpriseDepartment
	// List is a list of objects, or of texts if the field has Each.
	List
	// Object is an object. In a row it is empty if all of its cells are.
	Object
	// Integer is a number without fraction and exponent. In a response the
	// platform's text must be one. If a cell is empty, an optional field is
	// absent and a nullable one is null; any other is a PlatformError.
	Integer
)

// New kinds go to the end, since the numbers of the kinds are part of entity
// tags.

// isNumber reports whether values of the kind are phone numbers or prefixes.
func (k Kind) isNumber() bool { return k == PhoneNumber || k == Prefix }

// field returns the index of the field with that key, or -1.
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
