package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestListsStayInOrder changes contacts in every way there is, and holds each list against all contacts sorted anew:
// the orders, and searches that were made before the changes and are kept.
func TestListsStayInOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := New(Options{Now: func() time.Time { return morning }, Seed: 1})
		err := s.SetSettings(Settings{Keys: map[string]Key{testKey: {App: "ab123"}}, Quota: &Quota{Second: new(0), Minute: new(0)}})
		if err != nil {
			r.Fatal(err)
		}
		if err := s.Seed(Seed{App: "ab123", Tags: []Tag{{ID: "1", Name: "Customer"}}, Contacts: people(3)}); err != nil {
			r.Fatal(err)
		}
		tenant := s.tenants["ab123"]
		names := rapid.SampledFrom([]string{"", "Ann", "ann", "Bo", "Cy", "Zoë"})
		address := func() string { return fmt.Sprintf("person%d@example.com", rapid.IntRange(0, 30).Draw(r, "address")) }
		id := func() int { return rapid.IntRange(1, 40).Draw(r, "id") }
		body := func() string {
			return fmt.Sprintf(`{"given_name":%q,"family_name":%q,"email_addresses":[{"email":%q,"field":"EMAIL%d"}]`,
				names.Draw(r, "given"), names.Draw(r, "family"), address(), rapid.IntRange(1, 3).Draw(r, "slot"))
		}
		clock := morning
		r.Repeat(map[string]func(*rapid.T){
			"upsert": func(*rapid.T) { s.do(t, "PUT", v1Contacts, body()+`,"duplicate_option":"Email"}`) },
			"create": func(*rapid.T) { s.do(t, "POST", v2Contacts, body()+`}`) },
			"patch":  func(*rapid.T) { s.do(t, "PATCH", fmt.Sprintf("%s/%d", v2Contacts, id()), body()+`}`) },
			"delete": func(*rapid.T) { s.do(t, "DELETE", fmt.Sprintf("%s/%d", v1Contacts, id()), "") },
			"merge": func(*rapid.T) {
				s.do(t, "POST", v2Contacts+":merge", fmt.Sprintf(`{"contact_id":"%d","duplicate_contact_id":"%d"}`, id(), id()))
			},
			"tag": func(*rapid.T) {
				s.do(t, "POST", "/crm/rest/v2/tags/1/contacts:applyTags", fmt.Sprintf(`{"contact_ids":["%d"]}`, id()))
			},
			"untag": func(*rapid.T) { s.do(t, "DELETE", fmt.Sprintf("%s/%d/tags/1", v1Contacts, id()), "") },
			"seed": func(r *rapid.T) {
				x := Contact{ID: fmt.Sprint(id()), Email: address(), GivenName: names.Draw(r, "given"), CreatedAt: clock.Add(-time.Duration(id()) * time.Hour)}
				if err := s.Seed(Seed{App: "ab123", Contacts: []Contact{x}}); err != nil {
					r.Fatal(err)
				}
			},
			"update over XML-RPC": func(*rapid.T) {
				s.do(t, "POST", "/crm/xmlrpc/v1", fmt.Sprintf(`<methodCall><methodName>ContactService.update</methodName><params><param><value></value></param>
					<param><value><i4>%d</i4></value></param><param><value><struct><member><name>LastName</name><value>%s</value></member></struct></value></param></params></methodCall>`,
					id(), names.Draw(r, "family")))
			},
			"time": func(r *rapid.T) {
				clock = clock.Add(time.Duration(rapid.IntRange(1, 100).Draw(r, "minutes")) * time.Minute)
				if err := s.SetSettings(Settings{Clock: Clock{Set: true, At: clock}}); err != nil {
					r.Fatal(err)
				}
			},
			"": func(r *rapid.T) { checkLists(r, t, s, tenant) },
		})
	})
}

// checkLists holds the pages of every order and of some searches against all contacts, sorted here.
func checkLists(r *rapid.T, t *testing.T, s *Server, tenant *tenant) {
	var rows []*contact
	for x := range tenant.contacts.all() {
		rows = append(rows, x)
	}
	if len(rows) != tenant.contacts.n {
		r.Fatalf("%d contacts, counted %d", len(rows), tenant.contacts.n)
	}
	since := morning.Add(time.Hour)
	searches := []struct {
		query string
		keep  func(*contact) bool
	}{
		{"", func(*contact) bool { return true }},
		{"&given_name=aNN", func(x *contact) bool { return strings.EqualFold(x.given, "ann") }},
		{"&since=" + stamp(since), func(x *contact) bool { return !x.updated.Before(since) }},
	}
	search := rapid.SampledFrom(searches).Draw(r, "search")
	key := rapid.SampledFrom([]string{"id", "date_created", "last_updated", "name", "firstName", "email"}).Draw(r, "order")
	var want []ref
	for _, x := range sorted(rows, key) {
		if search.keep(x) {
			want = append(want, x.id)
		}
	}
	up := pages(r, t, s, "?order="+key+search.query)
	down := pages(r, t, s, "?order_direction=DESCENDING&order="+key+search.query)
	slices.Reverse(down)
	if diff := cmp.Diff(want, up) + cmp.Diff(want, down); diff != "" {
		r.Fatalf("order %s%s: %s", key, search.query, diff)
	}
	var tagged []ref
	for _, x := range rows {
		if x.tagged(1) {
			tagged = append(tagged, x.id)
		}
	}
	var got struct{ Contacts []struct{ ID ref } }
	if err := json.Unmarshal([]byte(s.do(t, "GET", "/crm/rest/v2/tags/1/contacts", "").body), &got); err != nil {
		r.Fatal(err)
	}
	var listed []ref
	for _, x := range got.Contacts {
		listed = append(listed, x.ID)
	}
	if !slices.Equal(listed, tagged) {
		r.Fatalf("tagged are %v, listed %v", tagged, listed)
	}
}

// sorted does with the standard library what shelves do step by step.
func sorted(rows []*contact, key string) []*contact {
	less := map[string]func(a, b *contact) bool{
		"id":           func(a, b *contact) bool { return false },
		"date_created": func(a, b *contact) bool { return a.created.Before(b.created) },
		"last_updated": func(a, b *contact) bool { return a.updated.Before(b.updated) },
		"name":         func(a, b *contact) bool { return a.family < b.family },
		"firstName":    func(a, b *contact) bool { return a.given < b.given },
		"email":        func(a, b *contact) bool { return a.emails[0] < b.emails[0] },
	}[key]
	out := slices.Clone(rows)
	sort.Slice(out, func(i, j int) bool { return out[i].id < out[j].id })
	sort.SliceStable(out, func(i, j int) bool { return less(out[i], out[j]) })
	return out
}

// pages reads a list in pages of seven.
func pages(r *rapid.T, t *testing.T, s *Server, query string) (ids []ref) {
	for {
		var page struct{ Contacts []struct{ ID ref } }
		answer := s.do(t, "GET", fmt.Sprintf("%s%s&limit=7&offset=%d", v1Contacts, query, len(ids)), "")
		if err := json.Unmarshal([]byte(answer.body), &page); err != nil || answer.status != 200 {
			r.Fatal(answer.status, answer.body, err)
		}
		for _, x := range page.Contacts {
			ids = append(ids, x.ID)
		}
		if len(page.Contacts) < 7 {
			return ids
		}
	}
}

// TestShelfSplits adds and takes more contacts than a block holds.
func TestShelfSplits(t *testing.T) {
	const n = 5 * blockLength
	s := &shelf{roll: newRoll(), rank: rankings["name"]}
	all := make([]*contact, n)
	for i := range all {
		all[i] = &contact{id: ref(i + 1), family: fmt.Sprint(i * 7919 % n)}
		s.roll.sit(all[i])
		s.add(all[i])
	}
	for i := range n {
		if i%3 == 0 {
			old := *all[i]
			all[i].family = fmt.Sprint("moved ", i)
			s.move(&old, all[i])
		}
	}
	for i := n - 1; i >= 0; i-- {
		if i%4 == 0 {
			s.take(all[i], all[i])
			all = slices.Delete(all, i, i+1)
		}
	}
	want := sorted(all, "name")
	if got := slices.Collect(s.all()); !slices.Equal(got, want) || s.n != len(want) {
		t.Errorf("%d contacts stand in another order than %d sorted", s.n, len(want))
	}
	if got := s.find().cut(1000, 3000, false); !slices.Equal(got, want[1000:3000]) {
		t.Error("a page over several blocks is wrong")
	}
}
