package simulation

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"bridge/internal/events"
)

// Tag names a tag: the customer's, or one of a numbered set.
type Tag struct {
	Set    string
	Number int
}

// String is the tag's name in Keap.
func (t Tag) String() string {
	if t.Set == "customer" {
		return "Customer"
	}
	return fmt.Sprintf("%s %d", t.Set, t.Number)
}

// Arrival is one event of a day.
type Arrival struct {
	N        int // place in Day.Arrivals, by time
	At       time.Time
	Kind     Kind
	Priority events.Priority
	Live     bool // no back-fill
	Contact  int  // number of its contact
	Version  int  // of the contact's fields that the event tells
	Writes   bool // the fields are not those that the arrival before told
	Apply    []Tag
	Remove   []Tag
	Goals    int
}

// Day is everything that happens on one day.
type Day struct {
	Load     Load
	Seed     uint64
	Begins   time.Time // midnight
	Known    int       // contacts below this number were in Keap before, with version 0 of their fields
	Contacts int
	Arrivals []Arrival
	Column   int // contacts that one call can tag
}

// Day draws a day. The same seed and load give the same day.
func (w *Workload) Day(seed uint64, load Load) *Day {
	d := &drawing{Workload: w, rng: rand.New(rand.NewPCG(seed, 0x64617973)), load: load}
	d.day = Day{Load: load, Seed: seed, Begins: w.Midnight, Known: w.Contacts.KnownBefore, Contacts: w.Contacts.KnownBefore, Column: w.Column}
	d.version = make([]int, d.day.Known)
	for range load.Live {
		at := d.moment()
		d.day.Arrivals = append(d.day.Arrivals, Arrival{At: w.Midnight.Add(at), Live: true, Kind: d.kind()})
	}
	fill, at := load.Fill, load.FillAt
	if fill == 0 && load.BackFill {
		fill, at = w.BackFill.Events, time.Duration(w.BackFill.Hour)*time.Hour
	}
	for range fill {
		d.day.Arrivals = append(d.day.Arrivals, Arrival{At: w.Midnight.Add(at), Kind: w.BackFill.Kind})
	}
	slices.SortStableFunc(d.day.Arrivals, func(a, b Arrival) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	for n := range d.day.Arrivals {
		d.day.Arrivals[n].N = n
		d.fill(&d.day.Arrivals[n])
	}
	d.day.Contacts = len(d.version)
	return &d.day
}

// drawing is a Day in the making.
type drawing struct {
	*Workload
	rng     *rand.Rand
	load    Load
	day     Day
	version []int // of each contact's fields, as last told
	today   []int // contacts whom a live event has made
}

// moment draws when a live event falls.
func (d *drawing) moment() time.Duration {
	from, until := d.load.From, d.load.Until
	if until == 0 {
		until = 24 * time.Hour
	}
	weights, sum := [24]float64{}, 0.0
	for h := range weights {
		begin, end := time.Duration(h)*time.Hour, time.Duration(h+1)*time.Hour
		weights[h] = d.BusyByHour[h] * max(0, (min(end, until)-max(begin, from)).Hours())
		sum += weights[h]
	}
	pick := d.rng.Float64() * sum
	for h, weight := range weights {
		if pick -= weight; pick < 0 {
			begin, end := max(from, time.Duration(h)*time.Hour), min(until, time.Duration(h+1)*time.Hour)
			return begin + time.Duration(d.rng.Int64N(int64(end-begin)))
		}
	}
	return until - 1 // rounding
}

func (d *drawing) kind() Kind {
	pick := d.rng.Float64()
	for _, s := range d.Live {
		if pick -= s.Share; pick < 0 {
			return s.Kind
		}
	}
	return d.Live[len(d.Live)-1].Kind
}

// fill draws what an arrival is about. Arrivals are filled in their order, so that who returns has been there.
func (d *drawing) fill(a *Arrival) {
	s := d.sort(a.Kind)
	a.Priority, a.Goals = s.Priority, s.Goals
	if !a.Live {
		a.Priority = d.BackFill.Priority
	}
	fresh := !a.Live || d.rng.Float64() < s.New
	if fresh {
		a.Contact, a.Writes = len(d.version), true
		d.version = append(d.version, 0)
		if a.Live {
			d.today = append(d.today, a.Contact)
		}
	} else {
		a.Contact = d.returning()
		a.Writes = d.rng.Float64() < s.Changed
		if a.Writes {
			d.version[a.Contact]++
		}
	}
	a.Version = d.version[a.Contact]
	for _, set := range []string{"customer", "campaign", "product", "membership"} {
		numbers := d.rng.Perm(d.Tags[set])[:s.Apply[set]+s.Remove[set]]
		for i, number := range numbers {
			tag := Tag{set, number + 1}
			if i < s.Apply[set] {
				a.Apply = append(a.Apply, tag)
			} else {
				a.Remove = append(a.Remove, tag)
			}
		}
	}
}

func (d *drawing) returning() int {
	if len(d.today) > 0 && d.rng.Float64() < d.Contacts.ReturningMadeToday {
		return d.today[d.rng.IntN(len(d.today))]
	}
	return d.rng.IntN(d.day.Known)
}

// Email is the address of a contact.
func Email(contact int) string { return "buyer" + strconv.Itoa(contact) + "@example.com" }

// profile is what an event tells of its contact: the family name changes from version to version.
func profile(contact, version int) events.Contact {
	return events.Contact{
		Email: Email(contact), FirstName: "Buyer", LastName: familyName(contact, version), Phone: fmt.Sprintf("+1555%07d", contact),
	}
}

func familyName(contact, version int) string {
	return "No " + strconv.Itoa(contact) + "-" + strconv.Itoa(version)
}
