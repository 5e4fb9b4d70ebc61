package app

import (
	"encoding/json"
	"errors"
	"net/http"

	"bridge/internal/ops"
)

// callbackPath is where Keap sends the browser after a login, below PUBLIC_URL.
const callbackPath = "/oauth"

// withCallback lets the ingress end logins besides taking webhooks. Whoever comes here is known by nothing but the state
// of a login that somebody has begun: it cannot be guessed, works once and for a quarter of an hour.
func (a *App) withCallback(webhooks http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", webhooks)
	mux.HandleFunc("GET "+callbackPath, func(w http.ResponseWriter, r *http.Request) {
		status, text := http.StatusOK, "Thank you: the bridge has access now. You can close this page."
		if err := a.callback(r); err != nil {
			status, text = http.StatusBadRequest, "The login did not succeed. Run bridge keys login again."
			var asked *ops.Error
			if errors.As(err, &asked) {
				text = asked.Error()
			}
			a.set.Log.Warn("a login from the browser failed", "err", err)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text + "\n"))
	})
	return mux
}

// callback ends the login that the browser comes from.
func (a *App) callback(r *http.Request) error {
	q := r.URL.Query()
	if !a.started.Load() {
		return &ops.Error{Kind: ops.Conflict, Message: "the bridge is starting", Hint: "try again in a minute"}
	}
	unknown := &ops.Error{Kind: ops.Conflict, Message: "this login was not begun here, has ended already or took too long", Hint: "run bridge keys login again"}
	state := q.Get("state")
	if state == "" || len(state) > 64 {
		return unknown
	}
	value, _, err := a.queue.Note(r.Context(), loginNote(state))
	if err != nil {
		return err
	}
	var p pendingLogin
	if len(value) == 0 || json.Unmarshal(value, &p) != nil {
		return unknown
	}
	if q.Get("code") == "" {
		return &ops.Error{Kind: ops.Conflict, Message: "access was not allowed", Hint: "run bridge keys login again"}
	}
	_, err = a.desk.EndLogin(r.Context(), "browser", p.Account, state, q.Get("code"))
	return err
}
