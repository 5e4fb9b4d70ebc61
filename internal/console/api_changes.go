package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"bridge/internal/events"
	"bridge/internal/ops"
)

// selection is how replays and discards name their events.
type selection struct {
	IDs     []string       `json:"ids"`
	Account string         `json:"account"`
	Source  string         `json:"source"`
	Filter  *events.Filter `json:"filter"`
	DryRun  bool           `json:"dry_run"`
}

func (s selection) ops() ops.Selection {
	return ops.Selection{IDs: s.IDs, Account: s.Account, Source: s.Source, Filter: s.Filter}
}

func (c *Console) apiReplay(w http.ResponseWriter, r *http.Request, who identity) error {
	var in selection
	if err := take(r, &in); err != nil {
		return err
	}
	job, err := c.Desk.Replay(r.Context(), who.name, in.ops(), in.DryRun)
	return replyJob(w, job, err)
}

func (c *Console) apiDiscard(w http.ResponseWriter, r *http.Request, who identity) error {
	var in selection
	if err := take(r, &in); err != nil {
		return err
	}
	job, err := c.Desk.Discard(r.Context(), who.name, in.ops(), in.DryRun)
	return replyJob(w, job, err)
}

func (c *Console) apiUndo(w http.ResponseWriter, r *http.Request, who identity) error {
	job, err := c.Desk.Undo(r.Context(), who.name, r.PathValue("job"))
	return replyJob(w, job, err)
}

func (c *Console) apiJob(w http.ResponseWriter, r *http.Request, who identity) error {
	job, err := c.Desk.Job(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, who.job(job))
}

// job hides what previews say of people.
func (who identity) job(j ops.Job) ops.Job {
	if who.role < Operator {
		for i := range j.Samples {
			s := &j.Samples[i]
			s.ID, s.Calls, s.Lookups, s.Error = maskText(s.ID), who.calls(s.Calls), who.calls(s.Lookups), maskText(s.Error)
		}
		for i := range j.WouldFail {
			j.WouldFail[i].Why = maskText(j.WouldFail[i].Why)
		}
	}
	return j
}

func (c *Console) apiJobs(w http.ResponseWriter, _ *http.Request, _ identity) error {
	return reply(w, http.StatusOK, struct {
		Jobs []ops.Job `json:"jobs"`
	}{c.Desk.Jobs()})
}

// replyJob answers 200 when the job has ended and 202 when it goes on.
func replyJob(w http.ResponseWriter, job ops.Job, err error) error {
	if err != nil {
		return err
	}
	status := http.StatusAccepted
	if job.Done() {
		status = http.StatusOK
	}
	return reply(w, status, job)
}

func (c *Console) apiDoubt(w http.ResponseWriter, r *http.Request, who identity) error {
	var in struct {
		ID       string          `json:"id"`
		Account  string          `json:"account"`
		Source   string          `json:"source"`
		Step     json.RawMessage `json:"step"` // its number or its id
		Happened *bool           `json:"happened"`
	}
	if err := take(r, &in); err != nil {
		return err
	}
	var step string
	var number int
	switch {
	case json.Unmarshal(in.Step, &number) == nil && number > 0:
		step = strconv.Itoa(number)
	case json.Unmarshal(in.Step, &step) != nil || step == "":
		return &refusal{status: http.StatusBadRequest, detail: "step is neither the number nor the id of a step"}
	}
	if in.Happened == nil {
		return &refusal{status: http.StatusBadRequest, detail: "happened is needed: true or false"}
	}
	if err := c.Desk.Resolve(r.Context(), who.name, ops.Ref{ID: in.ID, Account: in.Account, Source: in.Source}, step, *in.Happened); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Console) apiErase(w http.ResponseWriter, r *http.Request, who identity) error {
	var in struct {
		Contact string `json:"contact"`
	}
	if err := take(r, &in); err != nil {
		return err
	}
	erased, err := c.Desk.Erase(r.Context(), who.name, in.Contact)
	if err != nil {
		return err
	}
	remains, err := c.Desk.Remaining(r.Context())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, struct {
		Erased  int      `json:"erased"`
		Remains []string `json:"remains"`
	}{erased, some(remains)})
}

func (c *Console) apiPause(w http.ResponseWriter, r *http.Request, who identity) error {
	return done(w, c.Desk.Pause(r.Context(), who.name, r.PathValue("account")))
}

func (c *Console) apiResume(w http.ResponseWriter, r *http.Request, who identity) error {
	return done(w, c.Desk.Resume(r.Context(), who.name, r.PathValue("account")))
}

// done answers that there is nothing more to say.
func done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (c *Console) apiConfigure(w http.ResponseWriter, r *http.Request, who identity) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return &refusal{status: http.StatusBadRequest, detail: "the account's configuration is needed"}
	}
	return c.configure(w, r, who, "configure", body)
}

func (c *Console) apiUnconfigure(w http.ResponseWriter, r *http.Request, who identity) error {
	return c.configure(w, r, who, "remove", nil)
}

func (c *Console) configure(w http.ResponseWriter, r *http.Request, who identity, action string, body []byte) error {
	if c.Configure == nil {
		return &refusal{status: http.StatusNotFound, detail: "accounts of this process are configured in files only"}
	}
	account := r.PathValue("account")
	err := c.Configure(r.Context(), account, body)
	outcome := ""
	if err != nil {
		outcome = "refused"
	}
	// What has changed is written down even for somebody who has gone away.
	if err := c.Desk.Audit(context.WithoutCancel(r.Context()), who.name, action, account, outcome); err != nil {
		return err
	}
	var asked *ops.Error
	if err != nil && !errors.As(err, &asked) {
		// Mistakes in a configuration are for the one who wrote it; secrets are never part of them.
		return &refusal{status: http.StatusUnprocessableEntity, detail: err.Error(), cause: err}
	}
	return done(w, err)
}

func (c *Console) apiTest(w http.ResponseWriter, r *http.Request, who identity) error {
	id, err := c.Desk.Test(r.Context(), who.name, r.PathValue("account"), r.PathValue("source"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusAccepted, struct {
		ID string `json:"id"`
	}{id})
}

func (c *Console) apiAccounts(w http.ResponseWriter, r *http.Request, _ identity) error {
	accounts, err := c.Desk.Live.Accounts(r.Context())
	if err != nil {
		return err
	}
	type account struct {
		Name        string           `json:"name"`
		App         string           `json:"app"`
		Group       string           `json:"group"`
		Owner       string           `json:"owner,omitempty"`
		Ready       bool             `json:"ready"`
		Paused      *ops.Pause       `json:"paused"`
		Quota       ops.Quota        `json:"quota"`
		Credentials []ops.Credential `json:"credentials"`
		ActionSets  []ops.ActionSet  `json:"action_sets"`
	}
	out := []account{}
	for _, a := range accounts {
		out = append(out, account{a.Name, a.App, a.Group, a.Owner, a.Ready, a.Paused, a.Quota, some(a.Credentials), some(a.ActionSets)})
	}
	return reply(w, http.StatusOK, struct {
		Accounts []account `json:"accounts"`
	}{out})
}

func (c *Console) apiSources(w http.ResponseWriter, r *http.Request, _ identity) error {
	lines, err := c.sourceLines(r)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, struct {
		Sources []sourceLine `json:"sources"`
	}{some(lines)})
}

// sourceLine is a source as it runs, with what the history knows of it.
type sourceLine struct {
	ops.Source
	LastEvent *time.Time `json:"last_event"`
	Events    int        `json:"events"`
}

func (c *Console) sourceLines(r *http.Request) ([]sourceLine, error) {
	sources, err := c.Desk.Live.Sources(r.Context())
	if err != nil {
		return nil, err
	}
	seen, err := c.Desk.Records.Sources(r.Context(), "")
	if err != nil {
		return nil, err
	}
	type name struct{ account, source string }
	known := map[name]events.Seen{}
	for _, s := range seen {
		known[name{s.Account, s.Source}] = s
	}
	var out []sourceLine
	for _, s := range sources {
		line := sourceLine{Source: s}
		if k, ok := known[name{s.Account, s.Name}]; ok {
			line.LastEvent, line.Events = &k.Last, k.Events
		}
		out = append(out, line)
	}
	return out, nil
}

func (c *Console) apiRules(w http.ResponseWriter, r *http.Request, _ identity) error {
	rules, err := c.Desk.Live.Rules(r.Context())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, struct {
		Rules []ops.Rule `json:"rules"`
	}{some(rules)})
}
