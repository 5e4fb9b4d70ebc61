package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bridge/configs"
	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

// Demo is the main job with nothing to install: an embedded queue, the Keap sandbox, a demo configuration and
// signed sample webhooks through the real ingress. Out gets the story. With Once it ends when every event is done.
type Demo struct {
	Env     config.Env
	Once    bool
	Out     io.Writer
	JSON    bool // the result as one JSON document instead of the story
	Log     *slog.Logger
	Version string
}

// demoPatience is how long the sample events may take.
const demoPatience = 25 * time.Second

// Run runs the demo in a temporary folder and on free ports.
func (d *Demo) Run(ctx context.Context) (err error) {
	result := d.Out
	if d.JSON {
		d.Out = io.Discard
	}
	dir, err := os.MkdirTemp("", "bridge-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := writeDemo(dir); err != nil {
		return err
	}
	env := d.Env
	env.Config, env.DataDir = filepath.Join(dir, "demo.yaml"), filepath.Join(dir, "data")
	env.HTTPAddr, env.ConsoleAddr = "127.0.0.1:0", "127.0.0.1:0"
	a, err := Start(ctx, Settings{Env: env, Sandbox: true, Version: d.Version, Log: d.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop()) }()
	fmt.Fprintf(d.Out, "ingress  http://%s/hooks/default/shop\nsandbox  %s/sandbox/state (a simulator of Keap)\nconsole  http://%s\n\n", a.HTTPAddr, a.SandboxURL, a.ConsoleAddr)
	ids, err := d.send(ctx, a)
	if err != nil {
		return err
	}
	settled, err := d.await(ctx, a, ids)
	if d.JSON {
		err = errors.Join(err, writeDemoResult(result, a, settled))
	}
	if err != nil {
		return err
	}
	d.report(a)
	if d.Once {
		return nil
	}
	fmt.Fprintf(d.Out, "\nLook around at http://%s; Ctrl-C ends the demo.\n", a.ConsoleAddr)
	return a.Wait(ctx)
}

func writeDemo(dir string) error {
	files, err := configs.Demo()
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "testdata"), 0o700); err != nil {
		return err
	}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), body, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// delivery of the demo: what is sent, to which source, and why.
type demoDelivery struct {
	title, source, event, sample string
	change                       func(string) string
}

var demoDeliveries = []demoDelivery{
	{title: "WooCommerce: Ada's order is paid", source: "shop", event: "order.updated", sample: "woo-paid.json"},
	{title: "WooCommerce: the same delivery again", source: "shop", event: "order.updated", sample: "woo-paid.json"},
	{title: "WooCommerce: Bob's order is paid", source: "shop", event: "order.updated", sample: "woo-paid.json", change: func(s string) string {
		return strings.NewReplacer("1001", "1002", "ada@example.com", "bob@example.com", `"Ada"`, `"Bob"`, `"total": "54.00"`, `"total": "154.00"`).Replace(s)
	}},
	{title: "WooCommerce: part of Ada's order is refunded", source: "shop", event: "order.updated", sample: "woo-paid.json", change: func(s string) string {
		return strings.NewReplacer(`"refunds": []`, `"refunds": [{"id": 9001, "reason": "sticker was torn", "total": "-2.50"}]`, "T09:59:03", "T11:20:00").Replace(s)
	}},
	{title: "form: Grace asks for a price list", source: "forms", sample: "form.json"},
	{title: "members' area: Ada becomes a member", source: "members", sample: "membership-started.json"},
}

// send posts the samples, signed, and publishes one event as a program on NATS would.
func (d *Demo) send(ctx context.Context, a *App) (ids []string, err error) {
	cfg, now := a.worlds.now.Load().cfg, time.Now()
	for _, one := range demoDeliveries {
		body, err := configs.Sample(one.sample, now)
		if err != nil {
			return nil, err
		}
		if one.change != nil {
			body = one.change(body)
		}
		sent, err := Send(ctx, cfg, Delivery{Account: "default", Source: one.source, Event: one.event, Body: []byte(body), Base: "http://" + a.HTTPAddr}, http.DefaultClient, nil)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(d.Out, "→ %-46s %d %s\n", one.title, sent.Status, sent.Body)
		var answer struct {
			IDs []string `json:"ids"`
		}
		if err := json.Unmarshal([]byte(sent.Body), &answer); err != nil || sent.Status >= http.StatusMultipleChoices {
			return nil, fmt.Errorf("the ingress answered %d: %s", sent.Status, sent.Body)
		}
		ids = append(ids, answer.IDs...)
	}
	lead := fmt.Sprintf(`{"specversion":"1.0","id":"lead-1","source":"crm.example.com","type":"lead.submitted","time":%q,"data":{"contact":{"email":"linus@example.com","first_name":"Linus"}}}`, now.UTC().Format(time.RFC3339))
	published, err := a.desk.Publish(ctx, "default", "crm", []json.RawMessage{json.RawMessage(lead)})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(d.Out, "→ %-46s %s\n\n", "CRM: Linus asks for an offer (CloudEvent)", published[0].Status)
	ids = append(ids, published[0].ID)
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// await watches the events until all are settled, and prints each once.
func (d *Demo) await(ctx context.Context, a *App, ids []string) (settled []events.Row, err error) {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	told := map[string]bool{}
	bad := 0
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		page, err := a.desk.List(ctx, events.Filter{}, 500, "")
		if err != nil {
			return settled, err
		}
		for i := range page.Rows {
			r := &page.Rows[i]
			if !r.State.Settled() || told[r.Key] {
				continue
			}
			told[r.Key] = true
			settled = append(settled, *r)
			sign := "✓"
			if r.State != events.Done {
				sign = "✗"
				bad++
			}
			fmt.Fprintf(d.Out, sign+" %-36s %-20s %s%s, %d calls\n", r.ID, r.Type, r.State, inBrackets(string(r.Reason), r.Detail), r.Calls)
		}
		if len(told) >= len(ids) {
			break
		}
		select {
		case <-ctx.Done():
			return settled, fmt.Errorf("%d of %d sample events are settled: %w", len(told), len(ids), ctx.Err())
		case <-look.C:
		}
	}
	if bad > 0 {
		return settled, fmt.Errorf("%d sample events are not done", bad)
	}
	return settled, nil
}

// demoResult is what a demo came to, for programs.
type demoResult struct {
	Console string        `json:"console"`
	Events  []demoEvent   `json:"events"`
	CRM     sandbox.State `json:"crm"`
	Calls   sandbox.Calls `json:"calls"`
}

type demoEvent struct {
	ID     string        `json:"id"`
	Type   string        `json:"type"`
	State  events.State  `json:"state"`
	Reason events.Reason `json:"reason,omitempty"`
	Calls  int           `json:"calls"`
}

func writeDemoResult(w io.Writer, a *App, settled []events.Row) error {
	out := demoResult{Console: "http://" + a.ConsoleAddr, Events: []demoEvent{}, CRM: a.Sandbox.State(""), Calls: a.Sandbox.Calls("")}
	for i := range settled {
		r := &settled[i]
		out.Events = append(out.Events, demoEvent{r.ID, r.Type, r.State, r.Reason, r.Calls})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func inBrackets(texts ...string) string {
	texts = slices.DeleteFunc(texts, func(s string) bool { return s == "" })
	if len(texts) == 0 {
		return ""
	}
	return " (" + strings.Join(texts, ": ") + ")"
}

// report prints what the CRM holds now.
func (d *Demo) report(a *App) {
	state, calls := a.Sandbox.State(""), a.Sandbox.Calls("")
	fmt.Fprintln(d.Out, "\nin the CRM:")
	for _, c := range state.Contacts {
		fmt.Fprintf(d.Out, "  %s %s <%s>  tags: %s", c.GivenName, c.FamilyName, c.Email, strings.Join(c.Tags, ", "))
		for _, name := range []string{"LastOrder", "LastTotal"} {
			if v, ok := c.CustomFields[name]; ok && v != "" {
				fmt.Fprintf(d.Out, "  %s=%v", name, v)
			}
		}
		fmt.Fprintln(d.Out)
	}
	fmt.Fprintf(d.Out, "  %d goals, %d orders, %d payments, %d notes, %d tasks\n", len(state.Goals), len(state.Orders), len(state.Payments), len(state.Notes), len(state.Tasks))
	fmt.Fprintf(d.Out, "with %d Keap calls; calls above a limit: %d a second, %d a minute, %d a day\n",
		calls.Total, calls.Violations.Second, calls.Violations.Minute, calls.Violations.Day)
}
