//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// groupID returns the name of a group with that number of rows.
func groupID(group, rows int) string { return fmt.Sprintf("g%d-r%d", group, rows) }

// rowsOf returns the number of rows of the group of that name, 0 for other names.
func rowsOf(group string) int {
	rows, err := strconv.Atoi(group[strings.LastIndex(group, "r")+1:])
	if err != nil {
		return 0
	}
	return rows
}

// The columns are those of the platform's schema, in its order. The values have the form of
// real platforms: a dash in phone numbers, half of the ranges without a user, no Japanese
// readings.
var (
	headings = []string{
		"Number Range Start", "Number Range End", "User Id", "Last Name", "First Name", "Hiragana Last Name", "Hiragana First Name",
		"Phone Number", "Extension", "Department", "Email Address", "Enterprise Trunk", "Is Active", "Extension Length",
	}
	lastNames   = []string{"Peeters", "Janssens", "Lefèvre", "Dubois", "Claes", "Müller", "Wouters", "Lambert"}
	firstNames  = []string{"Anna", "Luc", "Noémie", "Jan", "Marie", "Tom", "Els", "Pieter"}
	departments = []string{"Sales", "Support", "Finance", "Logistics", "R&amp;D", "Réception", "Legal", ""}
)

// row returns the cells of the row of that number, with their entities.
func row(i int) []string {
	first := 20_000_000 + 10*i
	cells := []string{
		fmt.Sprintf("+32-%d", first), fmt.Sprintf("+32-%d", first+9),
		"", "", "", "", "", "", "", "", "", "", strconv.FormatBool(i%8 != 7), "",
	}
	if i%2 == 0 {
		user := i / 2
		copy(cells[2:], []string{
			fmt.Sprintf("user%06d@sip.example.com", user), lastNames[user%8], firstNames[user/8%8], "", "",
			fmt.Sprintf("+32-%d", first), strconv.Itoa(first % 10_000), departments[user%8],
			fmt.Sprintf("user%06d@example.com", user), fmt.Sprintf("trunk %d", user%4),
		})
		cells[13] = "4"
	}
	return cells
}

// table returns the element with a table of that number of rows, in ISO-8859-1. It is made
// only once.
func (p *platform) table(rows int) []byte {
	if made, ok := p.tables.Load(rows); ok {
		return made.([]byte)
	}
	var b strings.Builder
	b.WriteString("<" + numbersTable + ">")
	for _, heading := range headings {
		b.WriteString("<colHeading>" + heading + "</colHeading>")
	}
	for i := range rows {
		b.WriteString("<row>")
		for _, cell := range row(i) {
			if cell == "" {
				b.WriteString("<col/>")
				continue
			}
			b.WriteString("<col>" + cell + "</col>")
		}
		b.WriteString("</row>")
	}
	b.WriteString("</" + numbersTable + ">")
	latin, err := charmap.ISO8859_1.NewEncoder().String(b.String())
	if err != nil {
		panic(err) // every letter above is in ISO-8859-1
	}
	p.tables.Store(rows, []byte(latin))
	return []byte(latin)
}
