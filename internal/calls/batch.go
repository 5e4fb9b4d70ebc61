package calls

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
)

// sendBatch makes the call of a batch, whose permit is there, and answers its seats.
func (p *Planner) sendBatch(t *batch) {
	account, err := p.account(t.account())
	if err != nil {
		answerAll(t.pairs, seatAnswer{err: err})
		return
	}
	if !t.action().isTag() {
		p.intendAll(t)
		if len(t.pairs) == 0 {
			return
		}
	}
	p.sendPairs(&account, t, &search{most: bits.Len(uint(len(t.pairs))) + 2})
}

// search is what splitting a refused batch has come to: when so many parts were refused and none went through, it
// is not one item that is wrong.
type search struct {
	refused, passed, most int
}

func (s *search) hopeless() bool { return s.passed == 0 && s.refused >= s.most }

// intendAll records that the batch is about to be sent, for all its seats at once. Seats whose intention cannot be
// recorded are answered and leave the batch.
func (p *Planner) intendAll(t *batch) {
	var recording sync.WaitGroup
	failed := map[*seat]error{}
	var mu sync.Mutex // guards failed
	for _, q := range t.pairs {
		for _, s := range q.seats {
			if s.intend == nil {
				continue
			}
			recording.Go(func() {
				if err := s.intend(); err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed[s] = fmt.Errorf("the intention could not be recorded: %w", err)
				}
			})
		}
	}
	recording.Wait()
	var pairs []*pair
	for _, q := range t.pairs {
		var seats []*seat
		for _, s := range q.seats {
			if err := failed[s]; err != nil {
				s.answered <- seatAnswer{err: err}
				continue
			}
			seats = append(seats, s)
		}
		if q.seats = seats; len(seats) > 0 {
			pairs = append(pairs, q)
		}
	}
	t.pairs = pairs
}

// sendPairs makes one call and answers its pairs; a batch that Keap refuses as a whole is split in halves until what
// is wrong stands alone. It tells whether the call went through.
func (p *Planner) sendPairs(account *Account, t *batch, s *search) bool {
	if err := p.slot(); err != nil {
		answerAll(t.pairs, seatAnswer{err: err})
		return false
	}
	ctx, heard := keap.Overhear(p.calls)
	started := time.Now()
	results, err := p.request(ctx, account, t)
	p.record(made{t.account(), t.action().operation(), t.prio, t.since(), started, len(t.pairs), err, servedBy(t.pairs), heard})
	if err == nil {
		p.xmlrpc.restAnswered(t.account(), time.Now())
	}
	err = p.learn(t.account(), err)
	switch {
	case err == nil:
		s.passed++
	case t.refusedBy(err):
		s.refused++
		if len(t.pairs) > 1 && !s.hopeless() {
			p.split(account, t, err, s)
			return false
		}
	}
	for _, q := range t.pairs {
		a := seatAnswer{err: err, status: statusOf(err), sent: sentBy(err), calls: 1}
		if err == nil && results != nil {
			a.result = results[q.item(t)]
			a.err = itemError(t.action(), q, a.result)
		}
		if keap.KindOf(err) == keap.KindNotFound && t.column != nil {
			a.result, a.err = t.missing(err)
		}
		q.answer(a)
	}
	return err == nil
}

// since is when the oldest of its pairs began to wait.
func (t *batch) since() time.Time {
	oldest := t.pairs[0].since
	for _, q := range t.pairs[1:] {
		if q.since.Before(oldest) {
			oldest = q.since
		}
	}
	return oldest
}

// missing is what it means that a column's target is not found.
func (t *batch) missing(err error) (result string, _ error) {
	key := t.column.key
	switch key.action {
	case removeTag:
		return "", nil // the tag is on nobody, or the contact is nobody
	case applyTag:
		return string(keap.TagIDNotFound), &Invalid{Reason: events.TagUnknown, Detail: "Keap has no tag with id " + key.target}
	case sendTemplate:
		return "", err // the template, the user or a contact
	}
	return "", &Invalid{Reason: events.TargetUnknown, Detail: "Keap has no sequence " + key.target + " (automation/sequence; correct the rule or publish the automation, then replay)"}
}

// item is what names the pair in the answer of its batch.
func (q *pair) item(t *batch) string {
	if t.column != nil {
		return q.contact
	}
	return q.column.key.target
}

func (q *pair) answer(a seatAnswer) {
	for _, s := range q.seats {
		s.answered <- a
	}
}

func answerAll(pairs []*pair, a seatAnswer) {
	for _, q := range pairs {
		q.answer(a)
	}
}

// request calls Keap. results is nil where Keap gives none for each item.
func (p *Planner) request(ctx context.Context, account *Account, t *batch) (results map[string]string, err error) {
	items := make([]string, len(t.pairs))
	for i, q := range t.pairs {
		items[i] = q.item(t)
	}
	k := account.Keap
	if t.row != nil {
		if t.row.key.action == removeTag {
			return nil, k.RemoveTags(ctx, t.row.key.contact, items)
		}
		return texts(k.ApplyTags(ctx, t.row.key.contact, items))
	}
	switch key := t.column.key; key.action {
	case applyTag:
		return texts(k.ApplyTag(ctx, key.target, items))
	case removeTag:
		return nil, k.RemoveTag(ctx, key.target, items)
	case addToSequence:
		automation, sequence := splitTarget(key.target)
		return texts(k.AddToSequence(ctx, automation, sequence, items))
	case removeFromSequence:
		automation, sequence := splitTarget(key.target)
		return texts(k.RemoveFromSequence(ctx, automation, sequence, items))
	default:
		return nil, k.SendTemplate(ctx, key.target, key.user, items)
	}
}

func texts[T ~string](in map[string]T, err error) (map[string]string, error) {
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[k] = string(v)
	}
	return out, nil
}

// refusedBy tells whether Keap refused the batch for what is in it, without doing any of it. A row whose contact is
// not found is no such case, nor is a column whose target is not found where Keap tells of each contact.
func (t *batch) refusedBy(err error) bool {
	switch keap.KindOf(err) {
	case keap.KindRefused, keap.KindTooLarge, keap.KindConflict:
		return true
	case keap.KindNotFound:
		return t.column != nil && (t.action() == removeTag || t.action() == sendTemplate)
	}
	return false
}

// split sends a refused batch in halves. When both go through it was too large: less is tried from now on.
func (p *Planner) split(account *Account, t *batch, err error, s *search) {
	half := len(t.pairs) / 2
	fine := true
	for _, pairs := range [][]*pair{t.pairs[:half], t.pairs[half:]} {
		if s.hopeless() {
			answerAll(pairs, seatAnswer{err: err, status: statusOf(err), sent: true, calls: 1})
			fine = false
			continue
		}
		part := &batch{column: t.column, row: t.row, prio: t.prio, pairs: pairs}
		release, failed := p.permit(p.calls, &solo{prio: t.prio, rank: ending, account: t.account()})
		if failed != nil {
			answerAll(pairs, seatAnswer{err: failed, calls: 1})
			fine = false
			continue
		}
		fine = p.sendPairs(account, part, s) && fine
		release()
	}
	if t.column == nil || !fine && keap.KindOf(err) != keap.KindTooLarge {
		return
	}
	key := columnKey{account: t.account(), action: t.action()}
	p.mu.Lock()
	p.capOf[key] = max(1, min(half, p.capLocked(key)))
	p.mu.Unlock()
	p.log.Warn("Keap refuses batches of that size; smaller ones are sent", "account", t.account(), "operation", t.action().operation(), "size", len(t.pairs), "now", half)
}

// itemError is what a result says about one item; nil when it is where it was asked to be.
func itemError(a action, q *pair, result string) error {
	var what string
	switch keap.TagResult(result) {
	case keap.TagSuccess, keap.TagDuplicate, keap.TagResult(keap.SequenceAlreadyIn):
		return nil
	case keap.TagContactNotFound, keap.TagResult(keap.SequenceNoContact):
		return &Invalid{Reason: events.ContactUnknown, Detail: "Keap has no contact " + q.contact + " any more"}
	case keap.TagIDNotFound:
		return &Invalid{Reason: events.TagUnknown, Detail: "Keap has no tag with id " + q.column.key.target}
	case keap.TagNoPermission:
		return &keap.Error{Kind: keap.KindForbidden, Operation: a.operation(), Status: 200, Sent: true, Answered: true, Message: "Keap answers NO_PERMISSION", Hint: "give the key's user access to the tag or the contact in Keap"}
	case keap.TagFailure, keap.TagResult(keap.SequenceFailed):
		what = "Keap answers " + result
	default:
		what = fmt.Sprintf("Keap's answer says nothing usable about this item (%.40q)", result)
	}
	return &keap.Error{Kind: keap.KindRefused, Operation: a.operation(), Status: 200, Sent: true, Answered: true, Message: what}
}

// lostContact tells that the contact's id is not valid any more: deleted, or merged into another contact.
func lostContact(a seatAnswer) bool {
	var invalid *Invalid
	if errors.As(a.err, &invalid) {
		return invalid.Reason == events.ContactUnknown
	}
	return keap.KindOf(a.err) == keap.KindNotFound
}

func servedBy(pairs []*pair) []events.Served {
	var served []events.Served
	for _, q := range pairs {
		for _, s := range q.seats {
			served = append(served, events.Served{Key: s.key, Step: s.step.ID, Rule: s.step.Rule})
		}
	}
	return served
}

// sequence puts the contact into a sequence or takes it out, together with everybody else who waits for the same.
func (t *task) sequence(ctx context.Context, s *events.Step, r *Result, q *events.SequenceStep) error {
	key := columnKey{account: t.Account, action: addToSequence, target: joinTarget(q.Automation, q.Sequence)}
	if q.Remove {
		key.action = removeFromSequence
	}
	return t.column(ctx, s, r, key)
}

// email sends a template, together with everybody else who waits for the same.
func (t *task) email(ctx context.Context, s *events.Step, r *Result) error {
	user := s.Email.User
	if user == "" {
		user = t.settings.UserID
	}
	return t.column(ctx, s, r, columnKey{account: t.Account, action: sendTemplate, target: s.Target, user: user})
}

// column does a step that comes in columns only.
func (t *task) column(ctx context.Context, s *events.Step, r *Result, key columnKey) error {
	for try := 1; ; try++ {
		place := t.seat(s, func() error { return t.intend(ctx, s) })
		if err := t.sit([]*seat{place}, []columnKey{key}); err != nil {
			return err
		}
		a := t.wait(ctx, place)
		r.Calls, r.Status, r.Sent = r.Calls+a.calls, a.status, r.Sent || a.sent && mayHaveRun(a.err)
		switch {
		case try == throttledTries:
			return a.err
		case keap.KindOf(a.err) == keap.KindThrottled:
			continue
		case try == 1 && lostContact(a):
			if err := t.relocate(ctx, r); err != nil {
				return err
			}
			continue
		}
		return a.err
	}
}

func joinTarget(automation, sequence string) string { return automation + "/" + sequence }

func splitTarget(target string) (automation, sequence string) {
	for i := range target {
		if target[i] == '/' {
			return target[:i], target[i+1:]
		}
	}
	return target, ""
}
