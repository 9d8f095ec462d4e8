package translate

import "bufio"

// Records is the [Body] of a response that the gateway composes, while an
// [Answer] is read from a reply: a JSON object with one list of objects, whose
// members are texts. A [Reporter] returns it.
type Records struct {
	// Shape has one field, a list of objects of texts and phone numbers.
	Shape *Shape
	// Rows have one text for each field of the list's entries.
	Rows [][]string
}

// WriteJSON writes the body as [Body] specifies.
func (r *Records) WriteJSON(w *bufio.Writer) error {
	list := &r.Shape.Fields[0]
	if _, err := w.Write(append(appendKey(w.AvailableBuffer(), '{', list.Key), '[')); err != nil {
		return err
	}
	for i, row := range r.Rows {
		b := w.AvailableBuffer()
		if i > 0 {
			b = append(b, ',')
		}
		before := byte('{')
		for j := range list.Item.Fields {
			f := &list.Item.Fields[j]
			b = appendText(appendKey(b, before, f.Key), f.Kind, row[j])
			before = ','
		}
		if _, err := w.Write(append(b, '}')); err != nil {
			return err
		}
	}
	_, err := w.WriteString("]}\n")
	return err
}
