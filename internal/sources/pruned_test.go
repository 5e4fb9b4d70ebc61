package sources

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"bridge/internal/secret"
)

// TestPrunedSamples takes every part out of every sample, one at a time and spoils it in every way of pruned, as plugins, old versions and
// empty carts do. Nothing may panic and what is read stays sound.
func TestPrunedSamples(t *testing.T) {
	t.Parallel()
	bodies := 0
	for _, s := range allSamples(t) {
		var body any
		if json.Unmarshal(s.body, &body) != nil {
			continue // a form: its fields are flat, and FuzzRead drops them
		}
		cfg := testConfig(t, s.kind)
		cfg.PathSecret = secret.New(testPathSecret)
		src := mustNew(t, cfg, testDeps())
		topic := s.header.Get("X-Wc-Webhook-Topic") + s.header.Get("X-Shopify-Topic")
		pruned(body, func() {
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			bodies++
			out, err := src.(Signer).Sign(topic, text)
			if err != nil {
				return
			}
			func() {
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("%s %s: panic %v with %s", s.kind, s.name, p, text)
					}
				}()
				sound(t, src, deliver(out))
			}()
		})
	}
	t.Logf("%d bodies", bodies)
}

// pruned calls f once for every part of v and every way to spoil it: gone or null, empty, of another kind.
func pruned(v any, f func()) {
	spoilt := []any{nil, "", map[string]any{}, []any{}, "x", json.Number("7")}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			was := v[name]
			delete(v, name)
			f()
			for _, now := range spoilt {
				v[name] = now
				f()
			}
			v[name] = was
			pruned(was, f)
		}
	case []any:
		for i, was := range v {
			for _, now := range spoilt {
				v[i] = now
				f()
			}
			v[i] = was
			pruned(was, f)
		}
	}
}
