package sources

import (
	"encoding/json"
	"slices"
)

// Limits of what one delivery may grow to. Every fact of it carries the body: a body of a megabyte with ten thousand
// refunds in it must not become ten gigabytes.
const (
	maxFacts = 1000     // as many as the largest batch that any sender sends (Keap)
	maxRaw   = 16 << 20 // bytes of bodies in the events of one delivery; above it only the first event carries it
)

// raw is the sender's body as JSON without secrets. JSON is kept to the letter where nothing has to be stripped.
func (s *source) raw(d *delivery) json.RawMessage {
	body, err := d.body()
	if err != nil || body.v == nil {
		return nil
	}
	strip := slices.ContainsFunc(s.strip, func(name string) bool { return !body.at(name).empty() })
	if !strip && d.asJSON != nil {
		return d.asJSON
	}
	return s.rawOf(body.v)
}

func (s *source) rawOf(v any) json.RawMessage {
	if m, ok := v.(map[string]any); ok && len(s.strip) > 0 {
		kept := make(map[string]any, len(m))
		for k, v := range m {
			if !slices.Contains(s.strip, k) {
				kept[k] = v
			}
		}
		v = kept
	}
	b, err := json.Marshal(v)
	if err != nil { // what decode built can always be written
		return nil
	}
	return b
}
