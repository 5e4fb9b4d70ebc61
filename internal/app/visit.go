package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bridge/internal/calls"
	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/ops"
	"bridge/internal/quota"
)

// visit is an account's Keap for a person: every request takes a permit of its quota group first. It is for one
// goroutine. Close it.
type visit struct {
	app     *App
	account *account
	keap    *keap.Client

	mu      sync.Mutex // observe may be called by the client while permits move
	permits permits
}

// visit opens an account's Keap.
func (a *App) visit(ctx context.Context, name string) (*visit, error) {
	acc := a.worlds.find(name)
	if acc == nil {
		return nil, &ops.Error{Kind: ops.NotFound, Message: fmt.Sprintf("account %q is not in the configuration", name), Hint: "bridge status lists the accounts"}
	}
	cred, err := a.groups.credential(acc)
	if err != nil {
		return nil, people(err)
	}
	v := &visit{app: a, account: acc}
	if v.keap, err = v.client(cred); err != nil {
		return nil, err
	}
	if err := v.find(ctx); err != nil {
		return nil, err
	}
	return v, nil
}

// client is a client with another credential that shares the visit's permits.
func (v *visit) client(cred keap.Credential) (*keap.Client, error) {
	k, err := keap.New(keap.Options{
		BaseURL: v.app.groups.baseURL, Credential: cred, Transport: v.app.groups.witness(v.account.Name), Timeout: v.app.groups.timeout,
		Observe: v.observe, Extra: v.extra,
	})
	return k, people(err)
}

// find looks for who counts the calls, and lets go of who did before.
func (v *visit) find(ctx context.Context) error {
	if before := v.current(); before != nil {
		if err := before.end(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	group := v.app.worlds.now.Load().groups[v.account.group]
	p, err := v.app.permitsOf(ctx, group)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.permits = p
	return people(err)
}

func (v *visit) current() permits {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.permits
}

// observe counts an answer, and puts the call into the log as every other.
func (v *visit) observe(o quota.Observation) {
	v.app.groups.record(events.Outcome{Kind: events.OutcomeCall, At: o.Sent.UTC(), Account: v.account.Name, Call: &events.CallReport{
		Group: v.account.group, Operation: o.Operation, Priority: events.Urgent, Status: o.Status, Took: o.At.Sub(o.Sent), Subjects: 1,
	}})
	if p := v.current(); p != nil {
		p.observe(o)
	}
}

// extra is a permit for a request beside those that call and pages count.
func (v *visit) extra(ctx context.Context) error {
	done, err := v.permit(ctx)
	if err == nil {
		done()
	}
	return err
}

// mostMoves is how often a group may change its owner before a visit gives up.
const mostMoves = 3

func (v *visit) permit(ctx context.Context) (done func(), err error) {
	for range mostMoves {
		p := v.current()
		if p == nil { // the last look for one failed
			return nil, errMoved
		}
		if done, err = p.permit(ctx); !errors.Is(err, errMoved) {
			return done, err
		}
		if err := v.find(ctx); err != nil {
			return nil, err
		}
	}
	return nil, err
}

// call makes one request.
func (v *visit) call(ctx context.Context, request func() error) error {
	done, err := v.permit(ctx)
	if err != nil {
		return people(err)
	}
	defer done()
	return people(request())
}

// pages reads a list, a permit a page. take is asked to go through it with the permit that it is given.
func (v *visit) pages(ctx context.Context, take func(keap.Permit) error) error {
	done := func() {}
	err := take(func(ctx context.Context) error {
		done()
		next, err := v.permit(ctx)
		if err != nil {
			done = func() {}
			return err
		}
		done = next
		return nil
	})
	done()
	return people(err)
}

// close ends a visit. What is counted stays counted.
func (v *visit) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if p := v.current(); p != nil {
		return p.end(ctx)
	}
	return nil
}

// people turns an error into one that a person may read.
func people(err error) error {
	var (
		asked  *ops.Error
		said   *keap.Error
		closed *calls.Closed
	)
	switch {
	case err == nil || errors.As(err, &asked):
		return err
	case errors.Is(err, errMoved):
		return &ops.Error{Kind: ops.Conflict, Message: "the quota group changed its owner again and again", Hint: "ask again in a moment", Cause: err}
	case errors.As(err, &closed):
		return &ops.Error{Kind: ops.Conflict, Cause: err, Message: "there is no permit for a call: " + string(closed.Reason),
			Hint: "the quota opens at " + closed.Until.UTC().Format("2006-01-02 15:04 UTC")}
	case errors.As(err, &said):
		return &ops.Error{Kind: ops.Outside, Message: said.Message, Hint: cmp.Or(visitHints[said.Kind], said.Hint), Cause: err}
	}
	return err
}

// visitHints stand for what package keap would tell those who look into an event: a visit has none.
var visitHints = map[keap.Kind]string{
	keap.KindInvalid:  "correct the configuration of this account; nothing was sent",
	keap.KindRefused:  "Keap understood the key and refused the question: check BRIDGE_KEAP_BASE_URL and whether the account's plan has the API",
	keap.KindNotFound: "Keap does not know what was asked for: check BRIDGE_KEAP_BASE_URL, and whether the credential belongs to the account's app:",
	keap.KindConflict: "something else changed it at the same moment; run the command again",
	keap.KindFault:    "XML-RPC refused the question; check the key and whether the account may still use XML-RPC",
}
