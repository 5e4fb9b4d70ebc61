package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// pageRoutes is everything that people can ask for.
var pageRoutes = []route{
	{method: "GET", path: "/{$}", role: Viewer, page: true, handle: (*Console).overviewPage},
	{method: "GET", path: "/events", role: Viewer, page: true, handle: (*Console).eventsPage},
	{method: "GET", path: "/events/{id}", role: Viewer, page: true, handle: (*Console).eventPage},
	{method: "GET", path: "/failed", role: Viewer, page: true, handle: (*Console).failedPage},
	{method: "GET", path: "/preview", role: Operator, page: true, handle: (*Console).previewPage},
	{method: "GET", path: "/jobs/{id}", role: Viewer, page: true, handle: (*Console).jobPage},
	{method: "GET", path: "/rules", role: Viewer, page: true, handle: (*Console).rulesPage},
	{method: "GET", path: "/sources", role: Viewer, page: true, handle: (*Console).sourcesPage},
	{method: "GET", path: "/accounts", role: Viewer, page: true, handle: (*Console).accountsPage},
	{method: "GET", path: "/audit", role: Viewer, page: true, handle: (*Console).auditPage},
	{method: "GET", path: "/live", role: Viewer, handle: (*Console).live},

	{method: "POST", path: "/changes", role: Operator, page: true, handle: (*Console).changeForm},
	{method: "POST", path: "/jobs/{id}/undo", role: Operator, page: true, handle: (*Console).undoForm},
	{method: "POST", path: "/doubts", role: Operator, page: true, handle: (*Console).doubtForm},
	{method: "POST", path: "/erasures", role: Admin, page: true, handle: (*Console).eraseForm},
	{method: "POST", path: "/accounts/{account}/pause", role: Operator, page: true, handle: (*Console).pauseForm},
	{method: "POST", path: "/accounts/{account}/resume", role: Operator, page: true, handle: (*Console).resumeForm},
	{method: "POST", path: "/sources/{account}/{source}/test", role: Operator, page: true, handle: (*Console).testForm},

	{method: "GET", path: "/login", page: true, handle: (*Console).loginPage},
	{method: "POST", path: "/login", page: true, handle: (*Console).loginForm},
	{method: "POST", path: "/logout", role: Viewer, page: true, handle: (*Console).logoutForm},
}

// unknown answers what no route is for: 405 where another method is, else 404.
func (c *Console) unknown(w http.ResponseWriter, r *http.Request, _ identity) error {
	var allowed []string
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := c.mux.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return &refusal{status: http.StatusMethodNotAllowed, detail: "allowed here: " + strings.Join(allowed, ", ")}
	}
	return &refusal{status: http.StatusNotFound, detail: "there is nothing here"}
}

// loginPage asks for a token.
func (c *Console) loginPage(w http.ResponseWriter, r *http.Request, who identity) error {
	if who.role > Nobody {
		http.Redirect(w, r, inside(r.URL.Query().Get("to")), http.StatusSeeOther)
		return nil
	}
	return c.render(w, r, who, http.StatusOK, "login", view{Title: "Log in", Body: loginBody{To: inside(r.URL.Query().Get("to"))}})
}

type loginBody struct {
	To    string
	Error string
}

// loginForm checks a token and begins a session. Attempts are throttled whether they are right or wrong.
func (c *Console) loginForm(w http.ResponseWriter, r *http.Request, who identity) error {
	if err := c.origin.Check(r); err != nil {
		return &refusal{status: http.StatusForbidden, detail: "the request comes from another site", cause: err}
	}
	if wait := c.sessions.attempt.Reserve(); wait.Delay() > 0 {
		delay := wait.Delay()
		wait.Cancel()
		return &refusal{status: http.StatusTooManyRequests, detail: "too many attempts: wait a moment", retryAfter: delay}
	}
	to := inside(r.PostFormValue("to"))
	token, ok := match(c.tokens, strings.TrimSpace(r.PostFormValue("token")))
	if !ok {
		c.Log.Warn("console login refused", "remote", r.RemoteAddr)
		return c.render(w, r, who, http.StatusUnauthorized, "login", view{Title: "Log in", Body: loginBody{To: to, Error: "The token is not valid."}})
	}
	c.Log.Info("console login", "who", token.Name, "role", token.Role.String())
	http.SetCookie(w, c.sessions.begin(token, c.Secure, time.Now()))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (c *Console) logoutForm(w http.ResponseWriter, r *http.Request, _ identity) error {
	http.SetCookie(w, c.sessions.end(r))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

// inside keeps redirects on this site.
func inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsFunc(to, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }) {
		return "/"
	}
	return to
}
