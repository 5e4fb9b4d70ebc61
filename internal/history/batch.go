package history

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"bridge/internal/events"
)

// row is an event as the file holds it.
type row struct {
	n        int64
	key      string // as keyBytes
	seq      uint64
	id       string
	class    class
	shelf    *shelf // where it stands in the file; nil for a new one
	step     string
	detail   string
	received int64 // Unix milliseconds, 0 = unknown
	changed  int64
	until    int64
	attempts int
	calls    int
	rules    string
	person   sql.NullInt64
	number   sql.NullInt64

	served int64 // the last call of this batch that served it

	fresh bool // not in the file yet
	whole bool // more than its state changed
	dirty bool
}

// pulse counts one thing within one span of time.
type pulse struct {
	span, at     int64
	account      string
	what, status string
}

type ruleHour struct {
	account string
	at      int64
	rule    string
	source  string
}

type ruleSum struct {
	events, steps int
	calls         float64
	goals         int
}

type minuteRange struct{ lo, hi int64 }

type source struct{ account, name string }

type sourceSum struct {
	first, last int64
	events      int
}

// change, call and served are new rows of these tables.
type change struct {
	event int64
	events.Change
	steps []byte
}

type call struct {
	n  int64
	at int64
	*events.CallReport
}

type served struct {
	event, call int64
	step        string
}

// batch gathers what some records change, so that each row is read once and written once.
type batch struct {
	st   *store
	hash func(string) int64

	rows    map[string]*row
	order   []*row // as they were first touched
	changes []change
	calls   []call
	served  []served
	audits  []events.Outcome
	quotas  []events.Outcome

	pulses  map[pulse]int
	rules   map[ruleHour]*ruleSum
	minutes map[int64]*minuteRange
	seen    map[source]*sourceSum
	moves   map[*shelf]*move

	lastEvent, lastChange, lastCall int64
}

func newBatch(st *store, hash func(string) int64) *batch {
	return &batch{
		st: st, hash: hash,
		rows: map[string]*row{}, pulses: map[pulse]int{}, rules: map[ruleHour]*ruleSum{},
		minutes: map[int64]*minuteRange{}, seen: map[source]*sourceSum{}, moves: map[*shelf]*move{},
		lastEvent: st.lastEvent, lastChange: st.lastChange, lastCall: st.lastCall,
	}
}

// take applies one record to the rows in memory. The rows that it names have been loaded.
func (b *batch) take(rec *events.LogRecord) {
	if rec.Event != nil {
		b.accepted(rec)
	}
	for i := range rec.Outcomes {
		switch o := &rec.Outcomes[i]; o.Kind {
		case events.OutcomeState:
			b.changed(o)
		case events.OutcomeCall:
			b.called(o)
		case events.OutcomeAudit:
			b.audits = append(b.audits, *o)
		case events.OutcomeQuota:
			if o.Quota != nil {
				b.quotas = append(b.quotas, *o)
			}
		}
	}
}

// accepted takes an entry of EVENTS. Its state may be known already: the logs are followed side by side.
func (b *batch) accepted(rec *events.LogRecord) {
	e := rec.Event
	r := b.row(e.Key(), e.Account, e.Received)
	if r.seq != 0 {
		return // the first entry of a fact counts
	}
	r.seq, r.id, r.received = rec.Position.Events, e.ID, e.Received.UnixMilli()
	r.class.account, r.class.source, r.class.kind, r.class.priority = e.Account, e.Source, e.Type, rec.Lane
	if r.class.reason != events.Erased {
		if who := e.OrderKey(); who != "" {
			r.person = sql.NullInt64{Int64: b.hash(who), Valid: true}
		}
		if o := e.Data.Order; o != nil && o.Number != "" {
			r.number = sql.NullInt64{Int64: b.hash(numberText(o.Number)), Valid: true}
		}
	} else {
		r.id = ""
	}
	if r.changed == 0 {
		r.changed = r.received
	}
	r.dirty, r.whole = true, true
	b.minute(r)
	b.pulse(e.Received, e.Account, events.RateAccepted, "")
	s := b.seen[source{e.Account, e.Source}]
	if s == nil {
		s = &sourceSum{first: r.received}
		b.seen[source{e.Account, e.Source}] = s
	}
	s.first, s.last = min(s.first, r.received), max(s.last, r.received)
	s.events++
}

// numberText keeps order numbers apart from order keys where both are hashed.
func numberText(number string) string {
	return "n:" + strings.TrimPrefix(strings.TrimSpace(number), "#")
}

// changed takes a change of state.
func (b *batch) changed(o *events.Outcome) {
	if o.Key == "" {
		return
	}
	r := b.row(o.Key, o.Account, o.At)
	if r.outlived(o) {
		return
	}
	if r.class.account == "" {
		r.class.account = o.Account
	}
	if o.About != nil && r.seq == 0 {
		r.id, r.class.source, r.class.kind, r.whole = o.About.ID, o.About.Source, o.About.Type, true
	}
	c := change{event: r.n, Change: events.Change{
		At: o.At, State: o.State, Reason: o.Reason, Until: o.Until, Attempt: o.Attempt, Detail: o.Detail,
		Step: o.Step, Job: o.Job, Who: o.Who,
	}}
	if len(o.Steps) > 0 {
		c.steps, _ = json.Marshal(o.Steps)
	}
	b.changes = append(b.changes, c)

	r.class.state, r.class.reason, r.class.message = o.State, o.Reason, ""
	if o.State == events.Failed || o.State == events.InDoubt {
		r.class.message = b.st.classes.shape(o.Detail)
	}
	r.step, r.detail, r.changed, r.until = o.Step, o.Detail, o.At.UnixMilli(), 0
	if o.Until != nil {
		r.until = o.Until.UnixMilli()
	}
	r.attempts = max(r.attempts, o.Attempt)
	if o.Reason == events.Erased {
		r.id, r.detail, r.person, r.number, r.whole = "", "", sql.NullInt64{}, sql.NullInt64{}, true
	}
	if o.State.Settled() {
		b.pulse(o.At, o.Account, events.RateSettled, string(o.State))
	}
	if len(o.Rules) > 0 && r.rules == "" {
		r.rules = strings.Join(o.Rules, "\n")
		for _, rule := range o.Rules {
			b.rule(o, rule, r.class.source).events++
		}
	}
	r.dirty = true
}

// outlived tells whether a change is the late word of a former owner, who was paused or cut off and whose successor has settled
// the event since: whoever takes up a settled event again says first that it waits. What a former owner says of an event that is
// not settled needs no such care, for its owner will say more.
func (r *row) outlived(o *events.Outcome) bool {
	switch o.State {
	case events.Parked:
		return r.class.state.Settled()
	case events.Failed, events.InDoubt:
		return r.class.state == events.Done && o.Seq > 0
	default:
		return false
	}
}

// called takes a Keap call. Its cost is shared out among the steps that it served.
func (b *batch) called(o *events.Outcome) {
	c := o.Call
	if c == nil {
		return
	}
	b.lastCall++
	b.calls = append(b.calls, call{n: b.lastCall, at: o.At.UnixMilli(), CallReport: c})
	b.pulse(o.At, o.Account, c.Operation, statusText(c.Status))
	share := 1 / float64(max(1, len(c.Served)))
	for _, s := range c.Served {
		r := b.row(s.Key, o.Account, o.At)
		b.served = append(b.served, served{event: r.n, call: b.lastCall, step: s.Step})
		if r.served != b.lastCall { // however many of its steps the call worked for
			r.served = b.lastCall
			r.calls++
			r.dirty = true
			r.begun(o.At.UnixMilli())
		}
		sum := b.rule(o, s.Rule, r.class.source)
		sum.steps++
		sum.calls += share
		if c.Operation == goalOperation {
			sum.goals++
		}
	}
	if len(c.Served) == 0 {
		b.rule(o, "", "").calls++
	}
}

// begun notes that an event is in hand: a call worked for it while it waited, or after its park had ended.
func (r *row) begun(at int64) {
	parked := r.class.state == events.Parked
	if r.class.state != events.Waiting && !parked || parked && at < r.until {
		return
	}
	r.class.state, r.class.reason, r.class.message = events.Working, events.NoReason, ""
	r.step, r.detail, r.until, r.changed = "", "", 0, max(r.changed, at)
}

// row gives the row of a key, made when the key is new.
func (b *batch) row(key, account string, at time.Time) *row {
	k := keyBytes(key)
	r := b.rows[k]
	if r == nil {
		b.lastEvent++
		r = &row{n: b.lastEvent, key: k, fresh: true, dirty: true, received: at.UnixMilli()}
		r.class = class{account: account, state: events.Waiting, priority: events.Normal}
		b.rows[k] = r
		b.order = append(b.order, r)
		b.minute(r)
	}
	return r
}

func (b *batch) minute(r *row) {
	at := r.received / 60_000
	m := b.minutes[at]
	if m == nil {
		b.minutes[at] = &minuteRange{r.n, r.n}
		return
	}
	m.lo, m.hi = min(m.lo, r.n), max(m.hi, r.n)
}

// pulse counts for the minute, the ten minutes that charts of a day are made of, and the hour.
func (b *batch) pulse(at time.Time, account, what, status string) {
	for _, span := range [...]int64{spanMinute, spanTen, spanHour} {
		b.pulses[pulse{span, floor(at.Unix(), span), account, what, status}]++
	}
}

func (b *batch) rule(o *events.Outcome, rule, source string) *ruleSum {
	k := ruleHour{o.Account, floor(o.At.Unix(), spanHour), rule, source}
	if b.rules[k] == nil {
		b.rules[k] = &ruleSum{}
	}
	return b.rules[k]
}

// goalOperation is the call that one event of one contact has to itself.
const goalOperation = "goals.achieve"

// Spans of pulses, in seconds.
const (
	spanMinute = 60
	spanTen    = 600
	spanHour   = 3600
	spanDay    = 24 * 3600
)

func floor(at, span int64) int64 { return at - ((at%span)+span)%span }

// keyBytes halves a key for the file; what is no hexadecimal key stays as it is.
func keyBytes(key string) string {
	if len(key) == 32 {
		if b, err := hex.DecodeString(key); err == nil {
			return string(b)
		}
	}
	return key
}

func keyText(b []byte) string {
	if len(b) == 16 {
		return hex.EncodeToString(b)
	}
	return string(b)
}

// hasher makes 64-bit numbers of what Options.Hash gives. Two people share one with a probability of 3 in 100 million
// for a million people, so whoever acts on a person compares the event itself.
func hasher(hash func(string) string) func(string) int64 {
	return func(text string) int64 {
		sum := sha256.Sum256([]byte(hash(text)))
		return int64(binary.BigEndian.Uint64(sum[:8]))
	}
}

// keysOf lists the keys that records name, each once.
func keysOf(recs []events.LogRecord) []string {
	var keys []string
	for i := range recs {
		if e := recs[i].Event; e != nil {
			keys = append(keys, keyBytes(e.Key()))
		}
		for j := range recs[i].Outcomes {
			o := &recs[i].Outcomes[j]
			if o.Key != "" {
				keys = append(keys, keyBytes(o.Key))
			}
			if o.Call != nil {
				for _, s := range o.Call.Served {
					keys = append(keys, keyBytes(s.Key))
				}
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// load reads the rows of keys that the file already has.
func (b *batch) load(ctx context.Context, keys []string) error {
	return b.st.byKeys(ctx, keys, rowColumns,
		func(rows *sql.Rows) error {
			r, err := b.st.scanRow(rows)
			if err != nil {
				return err
			}
			b.rows[r.key] = r
			b.order = append(b.order, r)
			return nil
		})
}
