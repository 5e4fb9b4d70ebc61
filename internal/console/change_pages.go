package console

import (
	"net/http"
	"net/url"
	"strings"

	"bridge/internal/events"
	"bridge/internal/ops"
)

type failedBody struct {
	Groups  []events.FailureGroup
	Account string
	More    int
}

func (c *Console) failedPage(w http.ResponseWriter, r *http.Request, who identity) error {
	body := failedBody{Account: r.URL.Query().Get("account")}
	groups, err := c.Desk.Index.FailureGroups(r.Context(), body.Account)
	if err != nil {
		return err
	}
	const most = 50
	body.More = max(0, len(groups)-most)
	for _, g := range groups[:min(len(groups), most)] {
		g.Sample = who.row(g.Sample)
		body.Groups = append(body.Groups, g)
	}
	return c.render(w, r, who, http.StatusOK, "failed", view{Title: "Failed and in doubt", Section: "failed", Live: true, Body: body})
}

// previewPage shows what a replay or discard would do before it is done. The first request starts the preview as a job
// and comes back with its id, so that loading the page again does not begin it again.
func (c *Console) previewPage(w http.ResponseWriter, r *http.Request, who identity) error {
	q := r.URL.Query()
	s, err := selectionOf(r)
	if err != nil {
		return err
	}
	if q.Get("job") == "" {
		job, err := c.change(r, who, q.Get("do"), s, true)
		if err != nil {
			return err
		}
		q.Set("job", job.ID)
		http.Redirect(w, r, "/preview?"+q.Encode(), http.StatusSeeOther)
		return nil
	}
	job, err := c.Desk.Job(r.Context(), q.Get("job"))
	if err != nil {
		return err
	}
	const shown = 50
	body := jobBody{Job: who.job(job), Do: q.Get("do"), Fields: fieldsOf(q)}
	body.MoreSamples = max(0, body.Events-shown)
	body.Samples = body.Samples[:min(len(body.Samples), shown)]
	return c.render(w, r, who, http.StatusOK, "preview", view{Title: "Preview", Section: "failed", Live: !job.Done(), Body: body})
}

type jobBody struct {
	ops.Job
	Do          string
	Fields      []field
	MoreSamples int
	CanUndo     bool
}

// field is one hidden field of a form.
type field struct{ Name, Value string }

// selectionFields are the parts of a selection, in queries and in forms.
var selectionFields = []string{"ids", "account", "source", "type", "state", "reason", "message", "contact", "since", "until", "q"}

func fieldsOf(q url.Values) []field {
	var fields []field
	for _, name := range selectionFields {
		if q.Get(name) != "" {
			fields = append(fields, field{name, q.Get(name)})
		}
	}
	return fields
}

// selectionOf reads a selection from the query or the form.
func selectionOf(r *http.Request) (ops.Selection, error) {
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return ops.Selection{}, &refusal{status: http.StatusBadRequest, detail: "the form cannot be read", cause: err}
		}
		r.URL.RawQuery = r.PostForm.Encode()
	}
	if ids := strings.Fields(r.URL.Query().Get("ids")); len(ids) > 0 {
		return ops.Selection{IDs: ids}, nil
	}
	f, err := filterOf(r)
	if err != nil {
		return ops.Selection{}, err
	}
	if f == (events.Filter{}) {
		return ops.Selection{}, nil
	}
	return ops.Selection{Filter: &f}, nil
}

func (c *Console) change(r *http.Request, who identity, do string, s ops.Selection, dryRun bool) (ops.Job, error) {
	switch do {
	case ops.KindReplay:
		return c.Desk.Replay(r.Context(), who.name, s, dryRun)
	case ops.KindDiscard:
		return c.Desk.Discard(r.Context(), who.name, s, dryRun)
	default:
		return ops.Job{}, &refusal{status: http.StatusBadRequest, detail: "do is neither replay nor discard"}
	}
}

// changeForm does what was previewed.
func (c *Console) changeForm(w http.ResponseWriter, r *http.Request, who identity) error {
	s, err := selectionOf(r)
	if err != nil {
		return err
	}
	job, err := c.change(r, who, r.PostFormValue("do"), s, false)
	return toJob(w, r, job, err)
}

func (c *Console) undoForm(w http.ResponseWriter, r *http.Request, who identity) error {
	job, err := c.Desk.Undo(r.Context(), who.name, r.PathValue("id"))
	return toJob(w, r, job, err)
}

func toJob(w http.ResponseWriter, r *http.Request, job ops.Job, err error) error {
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/jobs/"+url.PathEscape(job.ID), http.StatusSeeOther)
	return nil
}

func (c *Console) jobPage(w http.ResponseWriter, r *http.Request, who identity) error {
	job, err := c.Desk.Job(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	body := jobBody{Job: who.job(job), CanUndo: job.Kind == ops.KindDiscard && !job.DryRun && job.Done()}
	return c.render(w, r, who, http.StatusOK, "job", view{Title: capital(job.Kind), Section: "failed", Live: !job.Done(), Body: body})
}
