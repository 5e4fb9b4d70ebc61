package simulation

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"bridge/internal/events"
)

// TestWorkloadIsTheReference compares our file with the project's reference, where that is at hand.
func TestWorkloadIsTheReference(t *testing.T) {
	const path = "../../../shared/design/black-friday.json"
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Logf("not compared: %s is not here", path)
		return
	}
	var ref struct {
		Weights []float64 `json:"hourly_weights"`
		Known   int       `json:"known_contacts"`
		Return  struct {
			Today float64 `json:"made_today"`
		} `json:"returning"`
		Kinds []struct {
			Kind     string
			Share    float64
			Priority string
		}
		BackFill struct {
			At     string
			Events int
		} `json:"back_fill"`
		Calls struct {
			OneByOne map[Kind]int `json:"look_up_and_one_call_per_step"`
			AtLeast  map[Kind]int `json:"minimum_per_event"`
		} `json:"calls_without_merging"`
		Column   int `json:"column_cap"`
		Limits   struct{ Minute, Day int }
		Variants []Load
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	w := BlackFriday()
	for what, same := range map[string]bool{
		"hours": slices.Equal(ref.Weights, w.BusyByHour[:]), "known": ref.Known == w.Contacts.KnownBefore,
		"returning": ref.Return.Today == w.Contacts.ReturningMadeToday,
		"back-fill": ref.BackFill.At == "09:00" && w.BackFill.Hour == 9 && ref.BackFill.Events == w.BackFill.Events,
		"calls":     reflect.DeepEqual(ref.Calls.OneByOne, w.Unmerged) && reflect.DeepEqual(ref.Calls.AtLeast, w.AtLeast),
		"limits":    ref.Limits.Minute == w.Quota.Minute && ref.Limits.Day == w.Quota.Day && ref.Column == w.Column,
		"variants":  reflect.DeepEqual(ref.Variants, w.Days), "kinds": len(ref.Kinds) == len(w.Live),
	} {
		if !same {
			t.Errorf("%s: our file and %s differ", what, path)
		}
	}
	for _, k := range ref.Kinds {
		if s := w.sort(Kind(k.Kind)); s.Share != k.Share || s.Priority.String() != k.Priority {
			t.Errorf("%s: our file and %s differ", k.Kind, path)
		}
	}
}

// TestDayIsWhatItsSharesSay draws a day and counts.
func TestDayIsWhatItsSharesSay(t *testing.T) {
	w := BlackFriday()
	d := w.Day(1, w.Days[0])
	if again := w.Day(1, w.Days[0]); !reflect.DeepEqual(d, again) {
		t.Error("the same seed gives another day")
	}
	kinds, hours := map[Kind]int{}, [24]int{}
	fresh, changed, purchases, backFill := 0, 0, 0, 0
	seen := map[int]bool{}
	for _, a := range d.Arrivals {
		if !a.Live {
			backFill++
			if a.Kind != Lead || a.Priority != events.Bulk || a.At.Sub(d.Begins) != 9*time.Hour {
				t.Fatalf("back-fill %+v", a)
			}
			continue
		}
		kinds[a.Kind]++
		hours[a.At.Sub(d.Begins)/time.Hour]++
		if a.Kind == Purchase {
			purchases++
			if a.Contact >= d.Known && !seen[a.Contact] {
				fresh++
			} else if a.Writes {
				changed++
			}
			if len(a.Apply) != 3 || a.Apply[0].String() != "Customer" || a.Apply[1] == a.Apply[2] || a.Goals != 1 {
				t.Fatalf("purchase %+v", a)
			}
		}
		if a.Kind == Membership && (len(a.Apply) != 1 || len(a.Remove) != 1 || a.Apply[0] == a.Remove[0]) {
			t.Fatalf("membership %+v", a)
		}
		seen[a.Contact] = true
	}
	near := func(what string, got, of int, share float64) {
		t.Helper()
		if sigma := math.Sqrt(float64(of) * share * (1 - share)); math.Abs(float64(got)-float64(of)*share) > 5*sigma {
			t.Errorf("%s: %d of %d, want %.2f", what, got, of, share)
		}
	}
	for _, s := range w.Live {
		near(string(s.Kind), kinds[s.Kind], d.Load.Live, s.Share)
	}
	near("new buyers", fresh, purchases, 0.6)
	near("changed fields", changed, purchases-fresh, 0.5)
	near("the busiest hour", hours[10], d.Load.Live, 10/sum(w.BusyByHour[:]))
	if backFill != w.BackFill.Events {
		t.Errorf("%d back-fill events", backFill)
	}
}

func sum(list []float64) (s float64) {
	for _, x := range list {
		s += x
	}
	return s
}
