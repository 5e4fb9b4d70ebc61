package calls

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
)

const (
	// xmlrpcProbe is how long action sets wait before one of them tries whether XML-RPC is back.
	xmlrpcProbe = time.Minute
	// xmlrpcGone is how long XML-RPC may be away before it counts as switched off: the longest planned outage is 48 h.
	// It is still tried now and then, the less often the longer it was away: after goneShare of that time, at least
	// every mostGone.
	xmlrpcGone = 48 * time.Hour
	goneShare  = 48
	mostGone   = 6 * time.Hour
	// spreadShare of an outage's age, mostSpread at most, is over how long the returns of what waits are spread.
	spreadShare = 36
	mostSpread  = 10 * time.Minute
	// restFresh is how old the last good answer of REST may be to show that XML-RPC alone is away.
	restFresh = time.Minute
	// outageKept is how long an outage is remembered over restarts.
	outageKept = 30 * 24 * time.Hour
)

// outages knows for each account whether XML-RPC answers.
type outages struct {
	mu       sync.Mutex
	accounts map[string]*outage
}

// outage is XML-RPC being away, REST answering meanwhile. The zero value is none.
type outage struct {
	loaded  bool
	since   time.Time // zero: it answers, as far as is known
	checked bool      // REST works meanwhile; false: that is being looked at
	probe   time.Time // when the next action set may try
	prober  int       // the last one that may: they are numbered
	gone    bool      // it was still away longer after since than any planned outage lasts
	rest    time.Time // last good answer of REST
	partial map[string]int
}

func (o *outages) ofLocked(account string) *outage {
	a := o.accounts[account]
	if a == nil {
		a = &outage{partial: map[string]int{}}
		o.accounts[account] = a
	}
	return a
}

// restAnswered notes that REST works.
func (o *outages) restAnswered(account string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ofLocked(account).rest = at
}

// errGone tells that XML-RPC counts as switched off, and that it is not the time to try whether it is.
var errGone = errors.New("XML-RPC is gone")

// enter lets an action set wait for its permit, or tells when to come again: while XML-RPC is away one of them may try
// each minute, and one each hour or less where it is gone.
func (o *outages) enter(account, event string, now time.Time) (prober int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.ofLocked(account)
	switch {
	case !now.Before(keap.EndOfXMLRPC), a.gone && now.Before(a.probe):
		return 0, errGone
	case a.since.IsZero():
		return 0, nil
	case now.Before(a.probe):
		return 0, brownedOut(a.comeBack(event, now))
	}
	a.prober++
	a.probe = now.Add(a.distance(now))
	return a.prober, nil
}

// distance is that of two tries.
func (a *outage) distance(now time.Time) time.Duration {
	if a.gone {
		return min(now.Sub(a.since)/goneShare, mostGone)
	}
	return xmlrpcProbe
}

// stillMay is asked when the permit is there, for which others may have waited too: an outage that began meanwhile
// leaves only the prober.
func (o *outages) stillMay(account, event string, prober int, now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.ofLocked(account)
	switch {
	case a.since.IsZero():
		return nil
	case prober != a.prober || prober == 0:
		return brownedOut(a.comeBack(event, now))
	}
	a.probe = now.Add(a.distance(now))
	return nil
}

// comeBack is when an event that was parked asks again where nobody tells it before that XML-RPC is back: the longer the
// outage lasts, the more the events are spread, so that thousands of them do not ask every minute for two days.
func (a *outage) comeBack(event string, now time.Time) time.Time {
	spread := min(now.Sub(a.since)/spreadShare, mostSpread)
	if a.gone {
		return now.Add(time.Second) // it is replaced then
	}
	if spread <= 0 {
		return later(a.probe, now.Add(time.Second))
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(event)) // never fails
	return later(a.probe, now.Add(time.Second)).Add(time.Duration(h.Sum64() % uint64(spread)))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func brownedOut(until time.Time) error {
	return &Closed{Until: until, Reason: events.Brownout, Detail: "Keap's XML-RPC does not answer while REST does; action sets wait, and one tries at most once a minute"}
}

// restWorks tells whether REST answers; without a recent answer it asks.
func (t *task) restWorks(ctx context.Context, r *Result) bool {
	t.xmlrpc.mu.Lock()
	fresh := time.Since(t.xmlrpc.ofLocked(t.Account).rest) < restFresh
	t.xmlrpc.mu.Unlock()
	if fresh {
		return true
	}
	return t.call(ctx, r, request{operation: "users.userinfo", rank: ending, send: func(ctx context.Context) error {
		_, err := t.settings.Keap.UserInfo(ctx)
		return err
	}}) == nil
}

// storedOutage is an outage in the memory.
type storedOutage struct {
	Since time.Time `json:"since,omitzero"`
	Gone  bool      `json:"gone,omitempty"`
}

func (t *task) outageKey() string { return t.Account + "/xmlrpc" }

// recallOutage loads what an earlier process knew.
func (t *task) recallOutage(ctx context.Context) {
	t.xmlrpc.mu.Lock()
	defer t.xmlrpc.mu.Unlock()
	o := t.xmlrpc.ofLocked(t.Account)
	if o.loaded || t.c.Memory == nil {
		return
	}
	stored, known, err := t.c.Memory.Contact(ctx, t.c.Group, t.outageKey())
	if err != nil {
		return // asked again next time
	}
	var kept storedOutage
	if known && json.Unmarshal(stored, &kept) == nil {
		o.since, o.gone = kept.Since, kept.Gone
		o.checked = !o.since.IsZero()
		if o.gone {
			o.probe = time.Now().Add(xmlrpcProbe)
		}
	}
	o.loaded = true
}

// suspectOutage holds back the other action sets at once: while REST is asked, none of them shall meet the same answer.
func (t *task) suspectOutage() {
	now := time.Now()
	t.xmlrpc.mu.Lock()
	o := t.xmlrpc.ofLocked(t.Account)
	if o.since.IsZero() {
		o.since, o.checked = now, false
	}
	o.probe = now.Add(xmlrpcProbe)
	until := o.probe
	t.xmlrpc.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	for prio := range t.board.solos {
		for rank := range t.board.solos[prio] {
			for e := t.board.solos[prio][rank].Front(); e != nil; {
				s := e.Value.(*solo)
				e = e.Next()
				if s.xmlrpc && s.account == t.Account {
					t.board.dropSolo(s)
					s.answered <- brownedOut(until)
				}
			}
		}
	}
}

// dropSuspicion: REST does not work either, so it is not XML-RPC that is away.
func (t *task) dropSuspicion() {
	t.xmlrpc.mu.Lock()
	defer t.xmlrpc.mu.Unlock()
	if o := t.xmlrpc.ofLocked(t.Account); !o.checked {
		o.since, o.probe = time.Time{}, time.Time{}
	}
}

// beginOutage notes that XML-RPC is away and tells when the next one may try, or that it is gone for good. Only an
// answer shows that: an outage that nobody looked at for days may long be over.
func (t *task) beginOutage(ctx context.Context) (until time.Time, gone bool) {
	now := time.Now()
	t.xmlrpc.mu.Lock()
	o := t.xmlrpc.ofLocked(t.Account)
	if o.since.IsZero() {
		o.since = now
	}
	first, over := !o.checked, !o.gone && now.Sub(o.since) > xmlrpcGone
	o.checked, o.gone = true, o.gone || over
	o.probe = later(o.probe, now.Add(o.distance(now)))
	kept := storedOutage{Since: o.since, Gone: o.gone}
	until = o.probe // whoever tried tries again: it must not be left to those that come back by and by
	t.xmlrpc.mu.Unlock()
	switch {
	case first:
		t.log.Warn("XML-RPC does not answer while REST does: action sets wait", "account", t.Account)
	case over:
		t.log.Warn("XML-RPC is away for longer than any planned outage: action sets are replaced from now on", "account", t.Account, "since", kept.Since)
	}
	if first || over {
		t.keepOutage(ctx, kept)
	}
	return until, kept.Gone
}

func (t *task) endOutage(ctx context.Context) {
	t.xmlrpc.mu.Lock()
	o := t.xmlrpc.ofLocked(t.Account)
	was := o.checked
	o.since, o.probe, o.checked, o.gone = time.Time{}, time.Time{}, false, false
	t.xmlrpc.mu.Unlock()
	if !was {
		return
	}
	t.log.Info("XML-RPC answers again", "account", t.Account)
	t.keepOutage(ctx, storedOutage{})
	if t.c.Returned != nil {
		t.c.Returned(t.Account)
	}
}

func (t *task) keepOutage(ctx context.Context, kept storedOutage) {
	stored, err := json.Marshal(kept)
	if err == nil && t.c.Memory != nil {
		err = t.c.Memory.SaveContact(context.WithoutCancel(ctx), t.c.Group, t.outageKey(), stored, outageKept)
	}
	if err != nil {
		t.log.Warn("the state of XML-RPC cannot be stored", "account", t.Account, "err", err)
	}
}
