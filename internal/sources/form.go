package sources

import (
	"maps"
	"slices"
	"strings"

	"bridge/internal/events"
)

// form reads bodies whose field names the merchant knows: `fields: {email: "2", first_name: "1.3", Colour: "7"}`. Names
// of contacts (email, first_name, …) fill the contact, others go to its fields under the name given.
type form struct {
	fields map[string]string
}

// openForm is nil without `fields:`.
func openForm(s *setup) *form {
	if len(s.cfg.Fields) == 0 {
		return nil
	}
	f := &form{fields: s.cfg.Fields}
	for _, name := range slices.Sorted(maps.Keys(f.fields)) {
		if f.fields[name] == "" {
			s.mistake("fields."+name, "say which field of the form it is")
		}
	}
	return f
}

// contact is the person who filled the form.
func (f *form) contact(body tree) *events.Contact {
	result := map[string]any{}
	contact, address, more := map[string]any{}, map[string]any{}, map[string]any{}
	for name, field := range f.fields {
		text := body.get(field)
		switch short := strings.TrimPrefix(name, "address."); {
		case slices.Contains(allowed["contact.address"], short):
			address[short] = text
		case slices.Contains(allowed["contact"], name):
			contact[name] = text
		default:
			more[name] = text
		}
	}
	contact["address"], contact["fields"] = address, more
	result["contact"] = contact
	return canonicalFrom(tree{v: result, doc: body.doc}).Contact
}

func (f *form) read(body tree) reading {
	return reading{topic: "form", facts: []fact{{typ: "lead.submitted", data: events.Data{Contact: f.contact(body)}}}}
}
