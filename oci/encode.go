package oci

import (
	"fmt"

	"github.com/beevik/etree"
)

const (
	namespaceC   = "C"
	namespaceXSI = "http://www.w3.org/2001/XMLSchema-instance"
)

// MaxCommands is how many commands a document may hold, by the published
// schema.
const MaxCommands = 15

// outgoing is a document on its way out.
type outgoing struct {
	sessionID  string
	trackingID string // none where empty
	commands   []Command
	echoes     []string // one for each command, or none at all
}

// encode writes the document in that encoding. An error means that it cannot
// be written as XML; nothing was sent then.
func (o outgoing) encode(in Encoding) ([]byte, error) {
	if len(o.commands) < 1 || len(o.commands) > MaxCommands {
		return nil, fmt.Errorf("oci: a document holds 1 to %d commands, not %d", MaxCommands, len(o.commands))
	}
	document := etree.NewDocument()
	document.CreateProcInst("xml", `version="1.0" encoding="`+in.String()+`"`)
	root := document.CreateElement("BroadsoftDocument")
	root.CreateAttr("protocol", "OCI")
	root.CreateAttr("xmlns", namespaceC)
	root.CreateAttr("xmlns:xsi", namespaceXSI)
	head := []Element{Text("sessionId", o.sessionID)}
	if o.trackingID != "" {
		head = append(head, Text("trackingId", o.trackingID))
	}
	for _, element := range head {
		child := root.CreateElement(element.Name)
		child.CreateAttr("xmlns", "")
		if err := fill(child, element); err != nil {
			return nil, fmt.Errorf("oci: %w", err)
		}
	}
	for i, c := range o.commands {
		command := root.CreateElement("command")
		command.CreateAttr("xsi:type", c.Name())
		command.CreateAttr("xmlns", "")
		if len(o.echoes) > 0 {
			command.CreateAttr("echo", o.echoes[i])
		}
		if err := fill(command, Element{Children: c.Elements()}); err != nil {
			return nil, fmt.Errorf("oci: %s: %w", c.Name(), err)
		}
	}
	text, err := document.WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("oci: writing a document: %w", err)
	}
	return in.encode(text)
}

// fill puts what an element holds into the tree.
func fill(into *etree.Element, from Element) error {
	if from.Nil {
		into.CreateAttr("xsi:nil", "true")
		return nil
	}
	if err := checkText(from.Text); err != nil {
		return fmt.Errorf("element %s %w", from.Name, err)
	}
	if from.Text != "" {
		into.CreateText(from.Text)
	}
	for _, child := range from.Children {
		if err := fill(into.CreateElement(child.Name), child); err != nil {
			return err
		}
	}
	return nil
}
