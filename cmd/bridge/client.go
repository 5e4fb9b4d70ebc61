package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/app"
	"bridge/internal/ops"
	"bridge/internal/secret"
)

// client speaks the API: of the running serve of this data directory and NATS, or of a bridge that this command starts for
// itself over the same store, without taking or working anything.
type client struct {
	base  string
	token string
	http  *http.Client
	close func() error
}

// connect finds or starts an API. Close it.
func (g *globals) connect(cmd *cobra.Command) (*client, error) {
	set, err := g.settings(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	if h, err := app.RunningServe(&set.Env); err == nil && alive(cmd.Context(), h.Address) {
		return &client{base: h.Address, token: h.Token, http: &http.Client{}, close: func() error { return nil }}, nil
	}
	if set.Env.LogLevel >= slog.LevelInfo { // a command says what matters itself
		set.Env.LogLevel = max(set.Env.LogLevel, slog.LevelError)
		set.Log = newLogger(&set.Env, cmd.ErrOrStderr())
	}
	set.Roles, set.Visitor = []string{app.RoleConsole}, true
	set.Env.ConsoleAddr, set.Env.ConsoleTokens = "127.0.0.1:0", ""
	set.Env.NatsListen, set.Env.NatsUsers = "", "" // nobody publishes to a command
	set.Env.ConsoleToken = secret.Text{}
	a, err := app.Start(cmd.Context(), set)
	if err != nil {
		return nil, configError(err)
	}
	c := &client{base: "http://" + a.ConsoleAddr, http: &http.Client{}, close: a.Stop}
	if err := a.CatchUp(cmd.Context()); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// alive tells whether a console answers there.
func alive(ctx context.Context, base string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/healthz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// problem is the API's form of an error.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	HintIs string `json:"hint"`

	Events []ops.Published `json:"events"`
}

func (p *problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

// Hint implements hinter.
func (p *problem) Hint() string { return p.HintIs }

// do asks the API and decodes the answer into out, which may be nil.
func (c *client) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	res, err := c.open(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// open asks the API; the caller closes the body of a good answer.
func (c *client) open(ctx context.Context, method, path string, query url.Values, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	address := c.base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < http.StatusBadRequest {
		return res, nil
	}
	defer res.Body.Close()
	p := &problem{Title: res.Status, Status: res.StatusCode}
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(p); err != nil {
			return nil, fmt.Errorf("the console answered %s", res.Status)
		}
	}
	if p.Status == http.StatusBadRequest { // what was typed cannot be understood
		return nil, &usageError{p, p.HintIs}
	}
	return nil, p
}

// withClient runs a command against the API.
func (g *globals) withClient(fn func(cmd *cobra.Command, c *client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := g.connect(cmd)
		if err != nil {
			return err
		}
		return errors.Join(fn(cmd, c, args), c.close())
	}
}
