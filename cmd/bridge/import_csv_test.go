package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
)

// readLeads reads all rows of a file.
func readLeads(body []byte) ([]lead, error) {
	s, err := surveyOf(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	l, err := openLeads(bytes.NewReader(body), s)
	if err != nil {
		return nil, err
	}
	var rows []lead
	for {
		row, err := l.next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

func TestLeadsAreReadAsSpreadsheetsWriteThem(t *testing.T) {
	want := events.Contact{Email: "zoe@example.com", FirstName: "Zoë", Address: &events.Address{City: "Köln", Country: "DE"}, Fields: map[string]string{"Größe": "XL"}}
	for name, body := range map[string]string{
		"plain":        "email,First Name,City,Country,Größe\nzoe@example.com,Zoë,Köln,DE,XL\n",
		"semicolons":   "email;First Name;City;Country;Größe\r\nzoe@example.com;Zoë;Köln;DE;XL\r\n",
		"tabs":         "email\tFirst Name\tCity\tCountry\tGröße\nzoe@example.com\tZoë\tKöln\tDE\tXL",
		"mark":         "\ufeffemail,First Name,City,Country,Größe\nzoe@example.com,Zoë,Köln,DE,XL\n",
		"mark, quotes": "\ufeff\"email\",\"First Name\",\"City\",\"Country\",\"Größe\"\n\"zoe@example.com\",Zoë,Köln,DE,XL\n",
		"windows-1252": "email,First Name,City,Country,Gr\xf6\xdfe\nzoe@example.com,Zo\xeb,K\xf6ln,DE,XL\n",
		"blanks":       " email , first_name ,CITY,Country Code,Größe,,\n zoe@example.com , Zoë,Köln,DE,XL,,\n,,,,,,\n",
	} {
		rows, err := readLeads([]byte(body))
		if err != nil || len(rows) != 1 {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
			continue
		}
		if diff := cmp.Diff(want, rows[0].contact); diff != "" || rows[0].reason != "" {
			t.Errorf("%s: %s\n%s", name, rows[0].reason, diff)
		}
	}
}

// TestSurveyBlocks: a character that two blocks share is still one character.
func TestSurveyBlocks(t *testing.T) {
	body := "email\n" + strings.Repeat("ä@example.com\n", 9000)
	for cut := range 4 {
		text := strings.Repeat(" ", cut) + body
		s, err := surveyOf(strings.NewReader(text))
		if err != nil || !s.utf8 {
			t.Errorf("cut %d: taken for windows-1252, %v", cut, err)
		}
	}
	if s, _ := surveyOf(strings.NewReader("email\nä@example.com\xc3")); s.utf8 {
		t.Error("half a character at the end passed for UTF-8")
	}
}

func TestLeadIDs(t *testing.T) {
	one := lead{contact: events.Contact{Email: "Ada@example.com", Fields: map[string]string{"a": "1", "b": "2"}}}
	same := lead{line: 7, contact: events.Contact{Email: "Ada@example.com", Fields: map[string]string{"b": "2", "a": "1"}}}
	other := lead{contact: events.Contact{Email: "Ada@example.com", Fields: map[string]string{"a": "1", "b": "3"}}}
	id := func(l *lead, batch, rule string) string {
		text, err := l.id(batch, rule)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if id(&one, "f", "r") != id(&same, "f", "r") {
		t.Error("the same row has two ids")
	}
	for _, different := range []string{id(&other, "f", "r"), id(&one, "g", "r"), id(&one, "f", "s")} {
		if different == id(&one, "f", "r") {
			t.Errorf("%s stands for two things", different)
		}
	}
}

// FuzzLeads: whatever the bytes, every row is a contact that can be written to or has a reason, in valid UTF-8, and
// reading ends.
func FuzzLeads(f *testing.F) {
	f.Add([]byte(importFile))
	f.Add([]byte("\ufeffemail;phone\n\"a\nb@example.com\";\"\"\"\"\n"))
	f.Add([]byte("email\n\xff\xfe@x\n\"open"))
	f.Add([]byte("phone,\r\n+,\r\n1,2"))
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := readLeads(body)
		if err != nil {
			return
		}
		for _, row := range rows {
			if row.reason != "" {
				continue
			}
			c := row.contact
			if c.Email == "" && events.NormalPhone(c.Phone) == "" {
				t.Errorf("line %d reaches nobody", row.line)
			}
			text, err := jsonOf(&c)
			if err != nil || !utf8.ValidString(text) || len(text) > 8*maxRow {
				t.Errorf("line %d: %v", row.line, err)
			}
		}
	})
}
