package simulation

import (
	"strconv"

	"bridge/internal/keap/sandbox"
)

// keapBefore makes the Keap that the day finds: its tags, its windows and its goals.
func (r *trial) keapBefore() error {
	r.keap = sandbox.New(sandbox.Options{Seed: r.Seed, Logger: nil})
	r.tagIDs = map[string]string{}
	var seed sandbox.Seed
	id := 100
	for _, set := range []string{"customer", "campaign", "product", "membership"} {
		for n := range r.Workload.Tags[set] {
			id++
			name := Tag{set, n + 1}.String()
			r.tagIDs[name] = strconv.Itoa(id)
			seed.Tags = append(seed.Tags, sandbox.Tag{ID: strconv.Itoa(id), Name: name})
		}
	}
	if err := r.keap.Seed(seed); err != nil {
		return err
	}
	q := r.Workload.Quota
	limit := r.dayLimit()
	if err := r.keap.SetSettings(sandbox.Settings{Quota: &sandbox.Quota{Second: &q.Second, Minute: &q.Minute, Day: &limit}}); err != nil {
		return err
	}
	for _, s := range r.Weather.Keap {
		if err := r.keap.SetSettings(s); err != nil {
			return err
		}
	}
	return nil
}
