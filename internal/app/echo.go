package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// echo watches what an account's client writes, so that Keap's hooks for it are known as an echo: rules on keap.* would
// set themselves off for ever. It looks at accounts only that take Keap's hooks.
type echo struct {
	groups  *groups
	account string
	next    http.RoundTripper
}

// echoed is what hooks call the things of each path. Tags are left out: a hook names the tag and not the contact alone,
// and what somebody else does with the same tag must not be lost.
var echoed = map[string]string{"contacts": "contact", "orders": "order", "notes": "note", "tasks": "task", "opportunities": "opportunity"}

// mostEcho bounds the answers that are read for an id.
const mostEcho = 1 << 20

// RoundTrip implements http.RoundTripper.
func (e *echo) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := e.next.RoundTrip(r)
	if err != nil || res.StatusCode >= http.StatusMultipleChoices {
		return res, err
	}
	kind, id := written(r)
	if kind == "" || !e.listens() {
		return res, nil
	}
	if id == "" {
		if id, err = peekID(res); err != nil {
			return nil, errors.Join(err, res.Body.Close())
		}
	}
	if id == "" {
		return res, nil
	}
	if err := e.groups.hooks.written(r.Context(), e.account, thing(kind, id), time.Now()); err != nil {
		e.groups.log.Warn("a write of our own is not remembered; Keap's hook for it counts as news elsewhere", "account", e.account, "err", err)
	}
	return res, nil
}

// listens tells whether the account takes Keap's hooks.
func (e *echo) listens() bool {
	a := e.groups.worlds.find(e.account)
	return a != nil && a.takesHooks()
}

// written tells what a request changes: the kind and, where the address says it, the id. Below a thing there are others
// (contacts/42/tags), which do not change it.
func written(r *http.Request) (kind, id string) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		return "", ""
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	for i, p := range parts {
		if kind, ok := echoed[p]; ok {
			switch rest := parts[i+1:]; len(rest) {
			case 0:
				return kind, ""
			case 1:
				return kind, rest[0]
			}
			return "", ""
		}
	}
	return "", ""
}

// peekID reads the id of what was made and leaves the answer as it was.
func peekID(res *http.Response) (string, error) {
	head, err := io.ReadAll(io.LimitReader(res.Body, mostEcho))
	if err != nil {
		return "", err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), res.Body), res.Body}
	var made struct {
		ID json.RawMessage `json:"id"` // a number in v1, a text in v2
	}
	if json.Unmarshal(head, &made) != nil {
		return "", nil // the client says what is wrong with it
	}
	return strings.Trim(string(made.ID), `"`), nil
}
