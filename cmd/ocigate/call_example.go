package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/translate"
)

// printExample prints an example of the body.
func (e *endpointCall) printExample(c *cobra.Command) error {
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", exampleOf(e.described.Request))
	return err
}

// exampleOf returns an example of a body, which its shape declares, on one line.
func exampleOf(shape *translate.Shape) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, field := range shape.Fields {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s:%s", quotedJSON(field.Key), exampleValue(field))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// exampleValue returns an example of a field's value. A text without an example consists
// of as many letters as it must have.
func exampleValue(field translate.Field) []byte {
	switch {
	case field.Kind == translate.List && field.Each != nil:
		return fmt.Appendf(nil, "[%s]", exampleValue(*field.Each))
	case field.Kind == translate.List:
		return fmt.Appendf(nil, "[%s]", exampleOf(field.Item))
	case field.Item != nil:
		return exampleOf(field.Item)
	case field.Example != "" && (field.Kind == translate.Boolean || field.Kind == translate.Integer):
		return []byte(field.Example)
	case field.Kind == translate.Boolean:
		return []byte("true")
	case field.Kind == translate.Integer:
		return fmt.Append(nil, field.Min)
	case field.Example == "":
		return quotedJSON(strings.Repeat("x", field.Min))
	}
	return quotedJSON(field.Example)
}

// quotedJSON returns a string as JSON.
func quotedJSON(text string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic(err) // a string can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
