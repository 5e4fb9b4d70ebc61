package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Lists of a contact are merged item by item by v1 ("updated with only the values provided") and replaced by v2
// ("any item not listed here will be removed").

// slot finds the place of a value such as EMAIL2; v2 takes the first for UNSPECIFIED or none.
func (w *write) slot(list, field, kind string, n int) (int, error) {
	if w.c.version == 2 && (field == "" || strings.HasSuffix(field, "_UNSPECIFIED")) {
		return 0, nil
	}
	i, err := strconv.Atoi(strings.TrimPrefix(field, kind))
	if err != nil || !strings.HasPrefix(field, kind) || i < 1 || i > n {
		return 0, fmt.Errorf("%s: field is %q, want %s1 to %s%d", list, field, kind, kind, n)
	}
	return i - 1, nil
}

func readEmails(w *write, name string, raw json.RawMessage) error {
	var v1 []struct {
		Email string `json:"email"`
		Field string `json:"field"`
	}
	var v2 []struct {
		Email  string `json:"email"`
		Field  string `json:"field"`
		Reason string `json:"opt_in_reason"`
	}
	if w.c.version == 1 {
		if err := w.nested(name, raw, &v1); err != nil {
			return err
		}
		for _, e := range v1 {
			v2 = append(v2, struct {
				Email  string `json:"email"`
				Field  string `json:"field"`
				Reason string `json:"opt_in_reason"`
			}{e.Email, e.Field, ""})
		}
	} else if err := w.nested(name, raw, &v2); err != nil {
		return err
	}
	var given [3]bool
	for _, e := range v2 {
		slot, err := w.slot(name, e.Field, "EMAIL", 3)
		if err != nil {
			return err
		}
		most := 100
		if slot == 0 {
			most = 75
		}
		if err := length(e.Field, e.Email, most); err != nil {
			return err
		}
		if e.Email != "" && !validEmail(e.Email) {
			return fmt.Errorf("%s: %q is no e-mail address", name, e.Email)
		}
		given[slot], w.draft.emails[slot] = true, e.Email
		if e.Reason != "" {
			w.reasons[e.Email] = e.Reason
		}
	}
	emails, replace := w.draft.emails, w.c.version == 2
	w.then(func(c *contact) {
		for slot, email := range emails {
			if !given[slot] && !replace {
				continue
			}
			// An upsert that matched by another slot keeps the address where it is.
			if at := slices.IndexFunc(c.emails[:], func(e string) bool { return strings.EqualFold(e, email) }); !replace && email != "" && at >= 0 && at != slot {
				continue
			}
			w.t.setEmail(c, slot, email, w.c.now)
		}
	})
	return nil
}

func readPhones(w *write, name string, raw json.RawMessage) error {
	var in []struct {
		Field     string `json:"field"`
		Number    string `json:"number"`
		Extension string `json:"extension"`
		Type      string `json:"type"`
		E164      string `json:"number_e164"`
	}
	if err := w.nested(name, raw, &in); err != nil {
		return err
	}
	var got []phone
	for _, p := range in {
		slot, err := w.slot(name, p.Field, "PHONE", 5)
		if err != nil {
			return err
		}
		most := 40
		if slot >= 3 {
			most = 20
		}
		field := fmt.Sprintf("PHONE%d", slot+1)
		if err := length(field, p.Number, most); err != nil {
			return err
		}
		got = append(got, phone{field, p.Number, p.Extension, p.Type, p.E164})
	}
	w.phones = len(got)
	w.then(func(c *contact) {
		c.phones = mergeItems(w.c.version, c.phones, got, func(p phone) string { return p.field })
	})
	return nil
}

func readFaxes(w *write, name string, raw json.RawMessage) error {
	var in []struct {
		Field  string `json:"field"`
		Number string `json:"number"`
		Type   string `json:"type"`
	}
	if err := w.nested(name, raw, &in); err != nil {
		return err
	}
	var got []fax
	for _, f := range in {
		slot, err := w.slot(name, f.Field, "FAX", 2)
		if err != nil {
			return err
		}
		got = append(got, fax{fmt.Sprintf("FAX%d", slot+1), f.Number, f.Type})
	}
	w.then(func(c *contact) {
		c.with().faxes = mergeItems(w.c.version, c.with().faxes, got, func(f fax) string { return f.field })
	})
	return nil
}

var socialTypes = map[int][]string{
	1: {"Facebook", "Twitter", "LinkedIn", "Instagram", "Snapchat", "YouTube", "Pinterest"},
	2: {"FACEBOOK", "TWITTER", "LINKED_IN", "INSTAGRAM", "SNAPCHAT", "YOUTUBE", "PINTEREST"},
}

func readSocial(w *write, name string, raw json.RawMessage) error {
	var in []struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	if err := w.nested(name, raw, &in); err != nil {
		return err
	}
	var got []social
	for _, s := range in {
		kind := slices.Index(socialTypes[w.c.version], s.Type)
		if kind < 0 {
			return fmt.Errorf("%s: type %q is unknown", name, s.Type)
		}
		if err := length(name, s.Name, 255); err != nil {
			return err
		}
		got = append(got, social{socialTypes[2][kind], s.Name})
	}
	w.then(func(c *contact) {
		c.with().social = mergeItems(w.c.version, c.with().social, got, func(s social) string { return s.kind })
	})
	return nil
}

// mergeItems puts new items over old ones with the same key (v1), or in their stead (v2).
func mergeItems[T any](version int, old, items []T, key func(T) string) []T {
	if version == 2 {
		return items
	}
	out := slices.Clone(old)
	for _, item := range items {
		if i := slices.IndexFunc(out, func(o T) bool { return key(o) == key(item) }); i >= 0 {
			out[i] = item
		} else {
			out = append(out, item)
		}
	}
	return out
}

func readUTM(w *write, name string, raw json.RawMessage) error {
	var in struct {
		Source   string `json:"utm_source"`
		Medium   string `json:"utm_medium"`
		Term     string `json:"utm_term"`
		Campaign string `json:"utm_campaign"`
		Content  string `json:"utm_content"`
		Keap     string `json:"keap_source_id"`
	}
	if err := w.nested(name, raw, &in); err != nil {
		return err
	}
	if in.Keap == "" {
		return fmt.Errorf("%s: keap_source_id is required", name)
	}
	w.then(func(c *contact) {
		w.t.addUTM(c, utm{keapSource: in.Keap, source: in.Source, medium: in.Medium, term: in.Term, name: in.Campaign, text: in.Content, at: w.c.now})
	})
	return nil
}

func (t *tenant) addUTM(c *contact, u utm) ref {
	t.utms++
	u.id = t.utms
	c.with().utms = append(c.with().utms, u)
	return u.id
}
