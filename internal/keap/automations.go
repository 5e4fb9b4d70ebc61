package keap

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// GoalResult is one automation that a goal reached. Success means that the flow took it, not that anything was sent.
type GoalResult struct {
	AutomationID string
	GoalID       string
	Success      bool
	Message      string
}

type goalWire struct {
	AutomationID id     `json:"automation_id"`
	CampaignID   id     `json:"campaign_id"` // v1
	GoalID       id     `json:"goal_id"`
	Success      bool   `json:"success"`
	Message      string `json:"message"`
}

// AchieveGoal achieves an API goal for one contact. No results mean that no published automation listens to this
// integration and call name. Not safe to repeat: the automation may run again.
//
// It asks v2. A Keap that does not have the operation yet (405, 501, or a 404 that is not Keap's own) is asked
// over v1 from then on; the call that finds out makes two requests.
func (c *Client) AchieveGoal(ctx context.Context, integration, call, contactID string) ([]GoalResult, error) {
	const operation = "goals.achieve"
	contact, err := number(operation, "contact_id", contactID)
	if err != nil {
		return nil, err
	}
	if integration == "" || call == "" {
		return nil, invalid(operation, "call_name", "and integration must not be empty")
	}
	if !c.goalsOnV1.Load() {
		var out struct {
			Results []goalWire `json:"results"`
		}
		body := map[string]any{"integration": integration, "call_name": call, "contact_id": contact}
		_, err := c.do(ctx, request{operation: operation, method: http.MethodPost, path: "/rest/v2/automations/goals/achieve", body: body}, &out)
		if err == nil || !lacksOperation(err) {
			return goalResults(out.Results), err
		}
		c.goalsOnV1.Store(true)
		if c.extra != nil && c.extra(ctx) != nil {
			return nil, err
		}
	}
	var out []goalWire
	path := "/rest/v1/campaigns/goals/" + url.PathEscape(integration) + "/" + url.PathEscape(call)
	_, err = c.do(ctx, request{operation: operation, method: http.MethodPost, path: path, body: map[string]any{"contact_id": contact}}, &out)
	return goalResults(out), err
}

// lacksOperation tells that the gateway, not Keap, refused the address: nothing was done.
func lacksOperation(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == KindMissing || e.Kind == KindNotFound && e.Code != "")
}

func goalResults(in []goalWire) []GoalResult {
	var out []GoalResult
	for _, g := range in {
		automation := g.AutomationID
		if automation == "" {
			automation = g.CampaignID
		}
		out = append(out, GoalResult{AutomationID: string(automation), GoalID: string(g.GoalID), Success: g.Success, Message: oneLine(g.Message)})
	}
	return out
}

// SequenceResult is what Keap says of one contact and one sequence.
type SequenceResult string

// The results. SequenceUnanswered: Keap's answer did not mention the contact.
const (
	SequenceSuccess      SequenceResult = "SUCCESS"
	SequenceAlreadyIn    SequenceResult = "ALREADY_IN_SEQUENCE"
	SequenceNoContact    SequenceResult = "CONTACT_DOES_NOT_EXIST"
	SequenceFailed       SequenceResult = "FAILED"
	SequenceUnanswered   SequenceResult = "UNANSWERED"
	addSequenceResult                   = "add_to_automation_sequence_results"
	removeSequenceResult                = "remove_from_sequence_results"
)

// OK tells whether the contact is now where it was asked to be.
func (r SequenceResult) OK() bool { return r == SequenceSuccess || r == SequenceAlreadyIn }

// AddToSequence puts many contacts into a sequence of an automation (v2). The map holds a result for every contact
// asked for. Contacts that are in it already stay where they are; safe to repeat while they are.
func (c *Client) AddToSequence(ctx context.Context, automation, sequence string, contactIDs []string) (map[string]SequenceResult, error) {
	return c.sequence(ctx, "sequences.add", "/rest/v2/automations/", automation, sequence, ":addContacts", addSequenceResult, contactIDs)
}

// RemoveFromSequence takes many contacts out of a sequence. v2 offers it under campaigns only; an automation and
// its campaign share the id. Safe to repeat.
func (c *Client) RemoveFromSequence(ctx context.Context, automation, sequence string, contactIDs []string) (map[string]SequenceResult, error) {
	return c.sequence(ctx, "sequences.remove", "/rest/v2/campaigns/", automation, sequence, ":removeContacts", removeSequenceResult, contactIDs)
}

func (c *Client) sequence(ctx context.Context, operation, root, automation, sequence, verb, array string, contactIDs []string) (map[string]SequenceResult, error) {
	a, err := segment(operation, "automation_id", automation)
	if err != nil {
		return nil, err
	}
	s, err := segment(operation, "sequence_id", sequence)
	if err != nil {
		return nil, err
	}
	if len(contactIDs) == 0 {
		return nil, invalid(operation, "contact_ids", "is empty")
	}
	var out map[string]json.RawMessage
	r := request{operation: operation, method: http.MethodPost, path: root + a + "/sequences/" + s + verb, body: map[string]any{"contact_ids": contactIDs}}
	got, err := c.do(ctx, r, &out)
	if err != nil {
		return nil, err
	}
	said, err := rowResults(out[array], contactIDs)
	if err != nil {
		return nil, got.unreadable(operation, "results of an unknown shape", err)
	}
	results := make(map[string]SequenceResult, len(contactIDs))
	for _, id := range contactIDs {
		results[id] = SequenceUnanswered
		if text, ok := said[id]; ok {
			results[id] = SequenceResult(text)
		}
	}
	return results, nil
}

// Automation is an automation as listed.
type Automation struct {
	ID        string
	Title     string
	Published bool
}

// Automations goes through all automations, 25 a request, which is Keap's limit here.
func (c *Client) Automations(ctx context.Context, permit Permit) iter.Seq2[Automation, error] {
	type automation struct {
		ID     id     `json:"id"`
		Title  string `json:"title"`
		Status string `json:"status"`
	}
	l := listing{operation: "automations.list", path: "/rest/v2/automations", size: "25", array: "automations"}
	return mapped(v2Pages[automation](ctx, c, l, permit), func(w automation) Automation {
		return Automation{ID: string(w.ID), Title: w.Title, Published: strings.EqualFold(w.Status, "PUBLISHED")}
	})
}

// Campaign is an automation by its older name; Campaign reads its parts too.
type Campaign struct {
	ID        string
	Name      string
	Goals     []CampaignPart
	Sequences []CampaignPart
}

// CampaignPart is a goal or a sequence; Type is given for goals.
type CampaignPart struct{ ID, Name, Type string }

type campaignWire struct {
	ID        id                 `json:"id"`
	Name      string             `json:"name"`
	Goals     []campaignPartWire `json:"goals"`
	Sequences []campaignPartWire `json:"sequences"`
}

type campaignPartWire struct {
	ID   id     `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// Campaigns goes through all campaigns, without their parts.
func (c *Client) Campaigns(ctx context.Context, permit Permit) iter.Seq2[Campaign, error] {
	l := listing{operation: "campaigns.list", path: "/rest/v2/campaigns", size: "1000", array: "campaigns"}
	return mapped(v2Pages[campaignWire](ctx, c, l, permit), func(w campaignWire) Campaign { return w.campaign() })
}

// Campaign reads one campaign with its published goals and sequences, which v1 gives in one request.
func (c *Client) Campaign(ctx context.Context, campaignID string) (Campaign, error) {
	const operation = "campaigns.get"
	at, err := segment(operation, "campaign_id", campaignID)
	if err != nil {
		return Campaign{}, err
	}
	var got campaignWire
	r := request{operation: operation, method: http.MethodGet, path: "/rest/v1/campaigns/" + at, query: url.Values{"optional_properties": {"goals,sequences"}}}
	if _, err := c.do(ctx, r, &got); err != nil {
		return Campaign{}, err
	}
	return got.campaign(), nil
}

func (w *campaignWire) campaign() Campaign {
	parts := func(in []campaignPartWire) []CampaignPart {
		var out []CampaignPart
		for _, p := range in {
			out = append(out, CampaignPart{ID: string(p.ID), Name: p.Name, Type: p.Type})
		}
		return out
	}
	return Campaign{ID: string(w.ID), Name: w.Name, Goals: parts(w.Goals), Sequences: parts(w.Sequences)}
}

// EmailTemplate is a template as listed.
type EmailTemplate struct{ ID, Title, Subject string }

// EmailTemplates goes through all e-mail templates.
func (c *Client) EmailTemplates(ctx context.Context, permit Permit) iter.Seq2[EmailTemplate, error] {
	type template struct {
		ID      id     `json:"id"`
		Title   string `json:"piece_title"`
		Subject string `json:"subject"`
	}
	l := listing{operation: "templates.list", path: "/rest/v2/emails/templates", size: "1000", array: "email_templates"}
	return mapped(v2Pages[template](ctx, c, l, permit), func(w template) EmailTemplate {
		return EmailTemplate{ID: string(w.ID), Title: w.Title, Subject: w.Subject}
	})
}

// SendTemplate sends a template e-mail to many contacts as a Keap user. Keap answers 202: it was accepted. Not safe
// to repeat, and nothing tells afterwards whether it was sent.
func (c *Client) SendTemplate(ctx context.Context, templateID, userID string, contactIDs []string) error {
	const operation = "emails.send_template"
	switch {
	case templateID == "":
		return invalid(operation, "template_id", "is empty")
	case userID == "":
		return invalid(operation, "user_id", "is empty: Keap sends every e-mail as one of its users")
	case len(contactIDs) == 0:
		return invalid(operation, "contact_ids", "is empty")
	}
	body := map[string]any{"template_id": templateID, "user_id": userID, "contact_ids": contactIDs}
	_, err := c.do(ctx, request{operation: operation, method: http.MethodPost, path: "/rest/v2/emails/templates:send", body: body}, nil)
	return err
}
