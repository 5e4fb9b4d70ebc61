package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/ops"
)

func newKeysLogin(g *globals) *cobra.Command {
	var account, redirect string
	cmd := &cobra.Command{
		Use:   "login",
		Short: "log in to Keap with OAuth2",
		Long: "login gives the address of Keap's login page. When somebody has allowed access there, the browser is sent to the\n" +
			"redirect address with a code. BRIDGE_PUBLIC_URL/oauth is answered by bridge serve, a loopback address by login itself;\n" +
			"from any other place paste the address that the browser ends at. The tokens are stored encrypted with\n" +
			"BRIDGE_SECRET_KEY. The redirect address has to be registered with the application at keys.developer.keap.com.",
		Example: "  bridge keys login --account default",
		Args:    exactArgs(0, "no arguments but flags"),
	}
	cmd.Flags().StringVar(&account, "account", "", "account (default: the only one with oauth2)")
	cmd.Flags().StringVar(&redirect, "redirect", "", "redirect address, as registered (default: keap.oauth2.redirect_url, else BRIDGE_PUBLIC_URL/oauth, else http://127.0.0.1:8765/)")
	cmd.RunE = g.withClient(func(cmd *cobra.Command, c *client, _ []string) error {
		rows, err := keyRows(cmd, c, account)
		if err != nil {
			return err
		}
		name, err := onlyAccount(rows, "keap.oauth2 in its configuration", func(r *keyRow) bool { return r.Name == "oauth2" })
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rows, func(r keyRow) bool { return r.Account == name })
		return g.login(cmd, c, name, redirect, rows[i].Created)
	})
	return cmd
}

// login runs the authorization-code flow. before is when the account logged in last.
func (g *globals) login(cmd *cobra.Command, c *client, account, redirect string, before time.Time) error {
	path := "/api/accounts/" + url.PathEscape(account) + "/login"
	var begun struct {
		Login *ops.Login `json:"login"`
	}
	if err := c.do(cmd.Context(), http.MethodPost, path, nil, map[string]string{"redirect": redirect}, &begun); err != nil {
		return err
	}
	if begun.Login == nil {
		return errors.New("the console did not begin a login")
	}
	done, err := awaitLogin(cmd, begun.Login, func() *ops.Credential { return loggedIn(cmd, c, account, before) })
	if err != nil {
		return err
	}
	if done.credential == nil {
		var ended struct {
			Credential *ops.Credential `json:"credential"`
		}
		in := map[string]string{"state": begun.Login.State, "code": done.code}
		if err := c.do(cmd.Context(), http.MethodPost, path, nil, in, &ended); err != nil {
			return err
		}
		done.credential = ended.Credential
	}
	if g.json {
		return printJSON(cmd.OutOrStdout(), done.credential)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "logged in: account %s works with %s\n", account, done.credential.Masked)
	return err
}

// loggedIn is the account's login when it is newer than before: bridge serve has ended it. nil: not yet.
func loggedIn(cmd *cobra.Command, c *client, account string, before time.Time) *ops.Credential {
	rows, err := keyRows(cmd, c, account)
	if err != nil || len(rows) != 1 || !rows[0].Created.After(before) {
		return nil // a console that does not answer now may do so next time
	}
	return &rows[0].Credential
}

// returned is what came back from the login page: a code, or the credential where bridge serve has ended the login.
type returned struct {
	code       string
	credential *ops.Credential
	err        error
}

// loginLook is how often bridge serve is asked whether the browser came there.
const loginLook = time.Second

// awaitLogin shows the address and waits for the browser, here or at bridge serve, or for a pasted address.
func awaitLogin(cmd *cobra.Command, l *ops.Login, elsewhere func() *ops.Credential) (returned, error) {
	ctx, cancel := context.WithDeadline(cmd.Context(), l.Ends)
	defer cancel()
	back := make(chan returned, 2)
	if stop, err := listenForCode(ctx, l, back); err == nil { // before the address is shown: a browser may be quick
		defer stop()
	}
	out := cmd.ErrOrStderr()
	fmt.Fprintf(out, "Open this address in a browser and allow access:\n\n  %s\n\n", l.URL)
	fmt.Fprintf(out, "Waiting for the browser at %s. If it cannot be shown that page, paste the address it ends at:\n", l.Redirect)
	// A read of standard input cannot be broken off: the goroutine ends with its line or with the process.
	go readCode(cmd.InOrStdin(), l.State, back)
	look := time.NewTicker(loginLook)
	defer look.Stop()
	for {
		select {
		case r := <-back:
			if !errors.Is(r.err, io.EOF) { // else nobody types here; the browser may still come
				return r, r.err
			}
		case <-look.C:
			if c := elsewhere(); c != nil {
				return returned{credential: c}, nil
			}
		case <-ctx.Done():
			if cmd.Context().Err() != nil {
				return returned{}, errors.New("the login was given up")
			}
			return returned{}, hintf("run bridge keys login again", "nobody has allowed access in time")
		}
	}
}

// listenForCode takes the browser's visit where the redirect address is one of this machine.
func listenForCode(ctx context.Context, l *ops.Login, back chan<- returned) (stop func(), err error) {
	u, err := url.Parse(l.Redirect)
	if err != nil || u.Scheme != "http" || !isLoopback(u.Hostname()) {
		return nil, errors.New("no address of this machine")
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	limit := 5 * time.Second
	srv := &http.Server{ReadHeaderTimeout: limit, ReadTimeout: limit, WriteTimeout: limit, IdleTimeout: limit, MaxHeaderBytes: 64 << 10, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, err := codeIn(r.URL.Query(), l.State)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, "<p>%s</p>", html.EscapeString(err.Error()))
			if r.URL.Query().Get("error") == "" {
				return // somebody else's visit
			}
		} else {
			_, _ = io.WriteString(w, "<p>Thank you. You can close this page and go back to the terminal.</p>")
		}
		select {
		case back <- returned{code: code, err: err}:
		default: // one answer is enough
		}
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(listener) // it ends by Shutdown
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
		<-served
	}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// readCode takes a pasted address, or a bare code.
func readCode(in io.Reader, state string, back chan<- returned) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		if !strings.ContainsAny(text, "?=&/") {
			back <- returned{code: text}
			return
		}
		_, query, found := strings.Cut(text, "?")
		if !found {
			query = text
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			back <- returned{err: usagef("paste the whole address from the browser", "the address cannot be read")}
			return
		}
		code, err := codeIn(values, state)
		back <- returned{code: code, err: err}
		return
	}
	back <- returned{err: io.EOF}
}

// codeIn takes the code from what the browser brought. The state shows that it belongs to this login.
func codeIn(q url.Values, state string) (string, error) {
	switch {
	case q.Get("error") != "":
		return "", hintf("run bridge keys login again", "access was not allowed: %s", strings.TrimSuffix(q.Get("error")+": "+q.Get("error_description"), ": "))
	case q.Get("code") == "":
		return "", hintf("paste the whole address from the browser", "there is no code in the address")
	case q.Get("state") != state:
		return "", hintf("use the address of this run of bridge keys login", "the code belongs to another login")
	}
	return q.Get("code"), nil
}
