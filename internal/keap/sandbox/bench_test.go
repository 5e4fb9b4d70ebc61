package sandbox

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// benchmarked calls in memory as fast as it can, with the quota lifted.
func benchmarked(b *testing.B, s *Server, method string, path, body func(i int) string) {
	b.Helper()
	if err := s.SetSettings(Settings{Quota: &Quota{Second: new(0), Minute: new(0), Day: new(0), TenantMinute: new(0), TenantDay: new(0)}}); err != nil {
		b.Fatal(err)
	}
	client := s.Transport()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		req, err := http.NewRequest(method, "http://keap.example.com/crm/rest"+path(i), strings.NewReader(body(i)))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("X-Keap-API-Key", testKey)
		res, err := client.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		if err != nil || res.StatusCode != http.StatusOK || n == 0 {
			b.Fatal(res.StatusCode, n, err)
		}
	}
}

// BenchmarkUpsert is the call that a day has most of: 60,000 of them shall take a few seconds.
func BenchmarkUpsert(b *testing.B) {
	benchmarked(b, New(Options{}), http.MethodPut, func(int) string { return "/v1/contacts" }, func(i int) string {
		return fmt.Sprintf(`{"duplicate_option":"Email","given_name":"Ann","opt_in_reason":"x","email_addresses":[{"email":"p%d@example.com","field":"EMAIL1"}]}`, i%50_000)
	})
}

func BenchmarkTagColumn(b *testing.B) {
	s := New(Options{})
	if err := s.Seed(Seed{Tags: []Tag{{ID: "1", Name: "Customer"}}, Contacts: people(200)}); err != nil {
		b.Fatal(err)
	}
	ids := make([]string, 200)
	for i := range ids {
		ids[i] = fmt.Sprintf(`"%d"`, i+1)
	}
	body := `{"contact_ids":[` + strings.Join(ids, ",") + `]}`
	benchmarked(b, s, http.MethodPost, func(int) string { return "/v2/tags/1/contacts:applyTags" }, func(int) string { return body })
}

// BenchmarkMillion reads pages of 1,000 out of 1,000,000 contacts (the goal is 50 ms) and reports the memory that
// they take (the goal is 2 GiB).
func BenchmarkMillion(b *testing.B) {
	const million = 1_000_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := New(Options{})
	for from := 0; from < million; from += 100_000 {
		chunk := people(100_000)
		for i := range chunk {
			chunk[i].Email = fmt.Sprintf("person%d@example.com", from+i)
			chunk[i].Tags = []string{"Customer", "Bought HOODIE"}
			chunk[i].CustomFields = map[string]any{"LastOrder": fmt.Sprint(from + i)}
		}
		if err := s.Seed(Seed{App: "ab123", Contacts: chunk}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.SetSettings(Settings{Keys: map[string]Key{testKey: {App: "ab123"}}}); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	none := func(int) string { return "" }
	for name, path := range map[string]func(i int) string{
		"v1": func(i int) string {
			return fmt.Sprintf("/v1/contacts?limit=1000&offset=%d&optional_properties=custom_fields", i*7919%million)
		},
		"v1 since": func(i int) string {
			return fmt.Sprintf("/v1/contacts?limit=1000&offset=%d&since=2020-01-01T00:00:00.000Z", i*7919%million)
		},
		"v1 by update": func(i int) string {
			return fmt.Sprintf("/v1/contacts?limit=1000&offset=%d&order=last_updated", i*7919%million)
		},
		"v1 by address": func(i int) string { return fmt.Sprintf("/v1/contacts?email=person%d@example.com", i%million) },
		"v2":            func(int) string { return "/v2/contacts?page_size=1000&fields=tag_ids,custom_fields,email_addresses" },
		"v2 by name":    func(int) string { return "/v2/contacts?page_size=1000&filter=given_name%3D%3DAn*" },
	} {
		b.Run(name, func(b *testing.B) {
			benchmarked(b, s, http.MethodGet, path, none)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		})
	}
}

func people(n int) []Contact {
	out := make([]Contact, n)
	for i := range out {
		out[i] = Contact{Email: fmt.Sprintf("person%d@example.com", i), GivenName: "Ann", FamilyName: fmt.Sprintf("Lee %d", i), Phone: "+1 480 555 0100",
			OptInReason: "Asked", CreatedAt: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)}
	}
	return out
}
