package calls

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
)

const (
	// tagsFresh is how long the list of tags is believed; a name that is missing is looked up by itself meanwhile.
	tagsFresh = 12 * time.Hour
	// missFresh is how long a name that Keap does not have is believed to be missing.
	missFresh = 5 * time.Minute
	// tagsADay is how many tags may be made of an event's content a day where the configuration does not say.
	tagsADay = 50
)

// tagCache knows the tags of each account by name.
type tagCache struct {
	mu       sync.Mutex
	accounts map[string]*accountTags
}

// accountTags is locked while it is being filled, so that many events that need it ask Keap once.
type accountTags struct {
	find   *errand
	mu     sync.Mutex
	ids    map[string]string // by folded name
	loaded time.Time
	missed map[string]time.Time
	day    int64 // that made counts for
	made   int

	categories map[string]string // ids by folded name; who is on the errand has it
}

func (c *tagCache) of(account string) *accountTags {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.accounts[account]
	if a == nil {
		a = &accountTags{find: newErrand(), ids: map[string]string{}, missed: map[string]time.Time{}}
		c.accounts[account] = a
	}
	return a
}

// categorySign stands between a category and a tag's name, as Keap itself shows tags: "Shop -> Customer". A name without
// it is that of a tag in any category.
const categorySign = " -> "

// splitTag is the category and the name of a tag that a rule names; "" is no category.
func splitTag(target string) (category, name string) {
	if c, n, found := strings.Cut(target, categorySign); found && strings.TrimSpace(c) != "" && strings.TrimSpace(n) != "" {
		return strings.TrimSpace(c), strings.TrimSpace(n)
	}
	return "", target
}

func fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// isID tells whether a tag is given by its id.
func isID(name string) bool {
	return name != "" && strings.Trim(name, "0123456789") == ""
}

func (a *accountTags) known(name string) (id string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, ok = a.ids[fold(name)]
	return id, ok
}

// forget drops a name whose id Keap does not know any more.
func (a *accountTags) forget(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.ids, fold(name))
}

// tagID finds the id of a tag by its name, and creates it where the policy allows.
func (t *task) tagID(ctx context.Context, s *events.Step, r *Result) (string, error) {
	if isID(s.Target) {
		return s.Target, nil
	}
	tags := t.tags.of(t.Account)
	if id, ok := tags.known(s.Target); ok {
		return id, nil
	}
	leave, err := t.enter(ctx, tags.find)
	if err != nil {
		return "", err
	}
	defer leave()
	if id, ok := tags.known(s.Target); ok {
		return id, nil
	}
	if tags.loaded.IsZero() || time.Since(tags.loaded) > tagsFresh {
		if err := t.loadTags(ctx, tags, r); err != nil {
			return "", err
		}
	} else if time.Since(tags.missed[fold(s.Target)]) > missFresh {
		if err := t.lookUpTag(ctx, tags, s, r); err != nil {
			return "", err
		}
	}
	if id, ok := tags.known(s.Target); ok {
		return id, nil
	}
	if s.Do == events.DoUntag {
		return "", nil // a tag that is not in Keap is on nobody
	}
	return t.createTag(ctx, tags, s, r)
}

// loadTags reads the whole list, a permit a page.
func (t *task) loadTags(ctx context.Context, tags *accountTags, r *Result) error {
	ids := map[string]string{}
	err := t.pages(ctx, r, "tags.list", func(ctx context.Context, permit keap.Permit) error {
		for tag, err := range t.settings.Keap.Tags(ctx, permit) {
			if err != nil {
				return err
			}
			for _, name := range [...]string{tag.Name, tag.CategoryName + categorySign + tag.Name} {
				if _, twice := ids[fold(name)]; !twice {
					ids[fold(name)] = tag.ID
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	tags.mu.Lock()
	defer tags.mu.Unlock()
	tags.ids, tags.loaded, tags.missed = ids, time.Now(), map[string]time.Time{}
	return nil
}

// pages runs an iterator of the client with a permit for each page and records each as a call.
func (t *task) pages(ctx context.Context, r *Result, operation string, run func(ctx context.Context, permit keap.Permit) error) error {
	var (
		release        func()
		since, started time.Time
	)
	end := func(err error) {
		if release != nil {
			release()
			release = nil
			r.Calls++
			t.record(made{t.Account, operation, t.Priority, since, started, 0, err, t.served(nil), nil})
		}
	}
	err := run(t.Planner.calls, func(context.Context) error {
		end(nil)
		since = time.Now()
		done, err := t.permit(ctx, t.solo(finding))
		if err != nil {
			return err
		}
		if err := t.slot(); err != nil {
			done()
			return err
		}
		release = done
		started = time.Now()
		return nil
	})
	end(err)
	return t.learn(t.Account, err)
}

func (t *task) lookUpTag(ctx context.Context, tags *accountTags, s *events.Step, r *Result) error {
	var found []keap.Tag
	category, name := splitTag(s.Target)
	err := t.call(ctx, r, request{operation: "tags.list", rank: finding, step: s, subjects: 1, send: func(ctx context.Context) (err error) {
		found, err = t.settings.Keap.FindTags(ctx, name)
		return err
	}})
	if err != nil {
		return err
	}
	tags.mu.Lock()
	defer tags.mu.Unlock()
	tags.missed[fold(s.Target)] = time.Now()
	for _, tag := range found {
		if category == "" || fold(tag.CategoryName) == fold(category) {
			tags.ids[fold(s.Target)] = tag.ID
			break
		}
	}
	return nil
}

// createTag makes a tag that Keap does not have. The caller is on the errand, so that a name is made once.
func (t *task) createTag(ctx context.Context, tags *accountTags, s *events.Step, r *Result) (string, error) {
	if err := t.mayCreate(tags, s); err != nil {
		return "", err
	}
	category, name := splitTag(s.Target)
	in, err := t.categoryID(ctx, tags, category, s, r)
	if err != nil {
		return "", err
	}
	var made keap.Tag
	err = t.call(ctx, r, request{operation: "tags.create", rank: finding, step: s, subjects: 1, send: func(ctx context.Context) (err error) {
		made, err = t.settings.Keap.CreateTag(ctx, name, in)
		return err
	}})
	tags.mu.Lock()
	defer tags.mu.Unlock()
	if err != nil {
		delete(tags.missed, fold(s.Target)) // it may be there now: looked up before the next try
		return "", err
	}
	tags.ids[fold(s.Target)] = made.ID
	if !s.Literal {
		tags.made++
	}
	return made.ID, nil
}

// categoryID finds the category that a new tag belongs to, and makes it where Keap has none; "" is none. The caller
// holds the turn.
func (t *task) categoryID(ctx context.Context, tags *accountTags, category string, s *events.Step, r *Result) (string, error) {
	if category == "" {
		return "", nil
	}
	if id := tags.categories[fold(category)]; id != "" {
		return id, nil
	}
	known := map[string]string{}
	err := t.pages(ctx, r, "tags.categories.list", func(ctx context.Context, permit keap.Permit) error {
		for c, err := range t.settings.Keap.TagCategories(ctx, permit) {
			if err != nil {
				return err
			}
			known[fold(c.Name)] = c.ID
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if known[fold(category)] == "" {
		err = t.call(ctx, r, request{operation: "tags.categories.create", rank: finding, step: s, subjects: 1, send: func(ctx context.Context) error {
			made, err := t.settings.Keap.CreateTagCategory(ctx, category)
			known[fold(category)] = made.ID
			return err
		}})
	}
	if err != nil {
		return "", err
	}
	tags.categories = known
	return known[fold(category)], nil
}

func (t *task) mayCreate(tags *accountTags, s *events.Step) error {
	policy := t.settings.Tags
	perDay := policy.PerDay
	if perDay == 0 {
		perDay = tagsADay
	}
	if today := time.Now().UTC().Unix() / 86400; tags.day != today {
		tags.day, tags.made = today, 0
	}
	switch {
	case policy.Create == "none":
		return &Invalid{Reason: events.TagUnknown, Detail: fmt.Sprintf("Keap has no tag %q and tags.create is none (create the tag in Keap or allow its creation, then replay)", s.Target)}
	case policy.Create != "any" && !s.Literal:
		return &Invalid{Reason: events.TagUnknown, Detail: fmt.Sprintf("Keap has no tag %q and its name comes from the event (create it in Keap, or set tags.create to any, then replay)", s.Target)}
	case !s.Literal && tags.made >= perDay:
		return &Invalid{Reason: events.TagUnknown, Detail: fmt.Sprintf("Keap has no tag %q and %d tags were made of events' content today (raise tags.per_day or look for a rule that names too many, then replay)", s.Target, tags.made)}
	}
	return nil
}

// applyAll does an ask of tag and untag steps: all of them wait together.
func (t *task) applyAll(ctx context.Context) {
	if err := t.locate(ctx, &t.results[0]); err != nil {
		t.fail(err)
		return
	}
	todo := make([]int, len(t.Steps))
	for i := range todo {
		todo[i] = i
	}
	// What Keap no longer knows under the id that is remembered, a contact or a tag, is looked up and tried again.
	for again := 0; len(todo) > 0 && again < 3; again++ {
		todo = t.applySome(ctx, todo)
	}
}

// applySome asks for the steps at these places and tells which are worth another try.
func (t *task) applySome(ctx context.Context, todo []int) (again []int) {
	// Every name becomes an id first: steps that sat down one by one would leave one by one.
	seats, keys, at := make([]*seat, 0, len(todo)), make([]columnKey, 0, len(todo)), make([]int, 0, len(todo))
	for _, i := range todo {
		s, r := &t.Steps[i], &t.results[i]
		id, err := t.tagID(ctx, s, r)
		if r.Err = err; err != nil {
			continue
		}
		if id == "" {
			r.Skipped = true
			continue
		}
		key := columnKey{account: t.Account, action: applyTag, target: id}
		if s.Do == events.DoUntag {
			key.action = removeTag
		}
		seats, keys, at = append(seats, t.seat(s, nil)), append(keys, key), append(at, i)
	}
	if err := t.sit(seats, keys); err != nil {
		for _, i := range at {
			t.results[i].Err = err
		}
		return nil
	}
	moved := false
	for n, i := range at {
		s, r := &t.Steps[i], &t.results[i]
		a := t.wait(ctx, seats[n])
		r.Calls, r.Status, r.Sent, r.Err = r.Calls+a.calls, a.status, r.Sent || a.sent, a.err
		switch {
		case lostContact(a):
			again, moved = append(again, i), true
		case a.result == string(keap.TagIDNotFound) && !isID(s.Target):
			t.tags.of(t.Account).forget(s.Target)
			again = append(again, i)
		case keap.KindOf(a.err) == keap.KindThrottled:
			again = append(again, i)
		}
	}
	if moved {
		if err := t.relocate(ctx, &t.results[again[0]]); err != nil {
			for _, i := range again {
				t.results[i].Err = err
			}
			return nil
		}
	}
	return again
}

// seat makes a step's place on the board.
func (t *task) seat(s *events.Step, intend func() error) *seat {
	return &seat{step: s, key: t.Key, contact: t.Contact, intend: intend, answered: make(chan seatAnswer, 1)}
}

// sit puts steps on the board, all at once, so that the next permit sees them together.
func (t *task) sit(seats []*seat, keys []columnKey) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.pausedLocked(t.Account); err != nil {
		return err
	}
	t.batch[t.Account] = t.settings.Batch
	now := time.Now()
	for i, s := range seats {
		t.board.addSeat(s, keys[i], t.contact, t.Priority, now)
	}
	t.nudge()
	return nil
}

// wait waits for the answer of a seat.
func (t *task) wait(ctx context.Context, s *seat) seatAnswer {
	select {
	case a := <-s.answered:
		return a
	case <-ctx.Done():
	}
	t.mu.Lock()
	waited := t.board.dropSeat(s)
	t.mu.Unlock()
	if waited {
		return seatAnswer{err: ctx.Err()}
	}
	return <-s.answered
}
