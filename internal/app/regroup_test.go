package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bridge/internal/events"
)

// TestEventsFollowTheirAccount: what waits when an account's app: is corrected is worked in the account's new quota
// group, whether the old one is in work at that moment or nobody is in it after a restart.
func TestEventsFollowTheirAccount(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			var set Settings
			a, dir := started(t, func(s *Settings) { set = *s })
			if err := a.desk.Pause(t.Context(), "tests", "default"); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				publishLead(t, a, fmt.Sprint("moved-", i), fmt.Sprintf("ann%d@example.com", i))
			}
			for i := range 3 {
				until(t, a, fmt.Sprint("moved-", i), events.Parked)
			}
			path := filepath.Join(dir, "demo.yaml")
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			before := a.worlds.find("default").group
			if err := os.WriteFile(path, bytes.Replace(body, []byte("app: ab123"), []byte("app: ab124"), 1), 0o600); err != nil {
				t.Fatal(err)
			}
			if restart {
				if err := a.Stop(); err != nil {
					t.Fatal(err)
				}
				if a, err = Start(t.Context(), set); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := a.Stop(); err != nil {
						t.Error(err)
					}
				}()
			} else {
				a.reloadNow()
			}
			if now := a.worlds.find("default").group; now == before {
				t.Fatalf("still in group %s", now)
			}
			if err := a.desk.Resume(t.Context(), "tests", "default"); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if r := until(t, a, fmt.Sprint("moved-", i), events.Done, events.Failed); r.State != events.Done {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}
