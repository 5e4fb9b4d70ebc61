package keap

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
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
	if err := required(operation, "integration", integration, "call_name", call); err != nil {
		return nil, err
	}
	if !c.goalsOnV1.Load() {
		var out struct {
			Results []goalWire `json:"results"`
		}
		body := fields{"integration": integration, "call_name": call, "contact_id": contact}
		_, err := c.do(ctx, post(operation, "/rest/v2/automations/goals/achieve", body), &out)
		if err == nil || !lacksOperation(err) {
			return goalResults(out.Results), err
		}
		c.goalsOnV1.Store(true)
		if c.extra != nil && c.extra(ctx) != nil {
			return nil, err
		}
	}
	if strings.Trim(integration, ".") == "" || strings.Trim(call, ".") == "" {
		return nil, invalid(operation, "call_name", "and integration cannot be dots alone in a path of v1")
	}
	var out []goalWire
	path := "/rest/v1/campaigns/goals/" + url.PathEscape(integration) + "/" + url.PathEscape(call)
	_, err = c.do(ctx, post(operation, path, fields{"contact_id": contact}), &out)
	return goalResults(out), err
}

// lacksOperation tells that the gateway, not Keap, refused the address: nothing was done.
func lacksOperation(err error) bool { return KindOf(err) == KindMissing }

func goalResults(in []goalWire) []GoalResult {
	var out []GoalResult
	for _, g := range in {
		automation := cmp.Or(g.AutomationID, g.CampaignID)
		out = append(out, GoalResult{AutomationID: string(automation), GoalID: string(g.GoalID), Success: g.Success, Message: oneLine(g.Message)})
	}
	return out
}

// SequenceResult is what Keap says of one contact and one sequence.
type SequenceResult string

// The results. SequenceUnanswered: Keap's answer did not mention the contact.
const (
	SequenceSuccess    SequenceResult = "SUCCESS"
	SequenceAlreadyIn  SequenceResult = "ALREADY_IN_SEQUENCE"
	SequenceNoContact  SequenceResult = "CONTACT_DOES_NOT_EXIST"
	SequenceFailed     SequenceResult = "FAILED"
	SequenceUnanswered SequenceResult = "UNANSWERED"
)

// OK tells whether the contact is now where it was asked to be.
func (r SequenceResult) OK() bool { return r == SequenceSuccess || r == SequenceAlreadyIn }

// AddToSequence puts many contacts into a sequence of an automation (v2). The map holds a result for every contact
// asked for. Contacts that are in it already stay where they are; safe to repeat while they are.
func (c *Client) AddToSequence(ctx context.Context, automation, sequence string, contactIDs []string) (map[string]SequenceResult, error) {
	r := post("sequences.add", "/rest/v2/automations/{automation_id}/sequences/{sequence_id}:addContacts", nil, automation, sequence)
	return c.sequence(ctx, r, "add_to_automation_sequence_results", contactIDs)
}

// RemoveFromSequence takes many contacts out of a sequence. v2 offers it under campaigns only; an automation and
// its campaign share the id. Safe to repeat.
func (c *Client) RemoveFromSequence(ctx context.Context, automation, sequence string, contactIDs []string) (map[string]SequenceResult, error) {
	r := post("sequences.remove", "/rest/v2/campaigns/{automation_id}/sequences/{sequence_id}:removeContacts", nil, automation, sequence)
	return c.sequence(ctx, r, "remove_from_sequence_results", contactIDs)
}

func (c *Client) sequence(ctx context.Context, r request, results string, contactIDs []string) (map[string]SequenceResult, error) {
	body, err := contactIDsBody(r.operation, contactIDs)
	if err != nil {
		return nil, err
	}
	r.body = body
	var out map[string]json.RawMessage
	a, err := c.do(ctx, r, &out)
	if err != nil {
		return nil, err
	}
	said, err := rowResults(out[results], contactIDs)
	if err != nil {
		return nil, a.unreadable(r.operation, "results of an unknown shape", err)
	}
	return answered(said, contactIDs, SequenceUnanswered), nil
}

// Automation is an automation as listed.
type Automation struct {
	ID        string
	Title     string
	Published bool
}

// Automations goes through all automations, 25 a request, which is Keap's limit here.
func (c *Client) Automations(ctx context.Context, permit Permit) iter.Seq2[Automation, error] {
	type wire struct {
		made
		Title  string `json:"title"`
		Status string `json:"status"`
	}
	return v2Pages(ctx, c, get("automations.list", "/rest/v2/automations"), "automations", 25, permit, func(w *wire) Automation {
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
	made
	Name      string             `json:"name"`
	Goals     []campaignPartWire `json:"goals"`
	Sequences []campaignPartWire `json:"sequences"`
}

type campaignPartWire struct {
	made
	Name string `json:"name"`
	Type string `json:"type"`
}

// Campaigns goes through all campaigns, without their parts.
func (c *Client) Campaigns(ctx context.Context, permit Permit) iter.Seq2[Campaign, error] {
	return v2Pages(ctx, c, get("campaigns.list", "/rest/v2/campaigns"), "campaigns", maxPage, permit, (*campaignWire).campaign)
}

// Campaign reads one campaign with its published goals and sequences, which v1 gives in one request.
func (c *Client) Campaign(ctx context.Context, campaignID string) (Campaign, error) {
	var got campaignWire
	r := get("campaigns.get", "/rest/v1/campaigns/{campaign_id}", campaignID).with(url.Values{"optional_properties": {"goals,sequences"}})
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
	type wire struct {
		made
		Title   string `json:"piece_title"`
		Subject string `json:"subject"`
	}
	return v2Pages(ctx, c, get("templates.list", "/rest/v2/emails/templates"), "email_templates", maxPage, permit, func(w *wire) EmailTemplate {
		return EmailTemplate{ID: string(w.ID), Title: w.Title, Subject: w.Subject}
	})
}

// SendTemplate sends a template e-mail to many contacts as a Keap user. Keap answers 202: it was accepted. Not safe
// to repeat, and nothing tells afterwards whether it was sent.
func (c *Client) SendTemplate(ctx context.Context, templateID, userID string, contactIDs []string) error {
	const operation = "emails.send_template"
	if err := required(operation, "template_id", templateID, "user_id", userID); err != nil {
		return err
	}
	body, err := contactIDsBody(operation, contactIDs)
	if err != nil {
		return err
	}
	body["template_id"], body["user_id"] = templateID, userID
	_, err = c.do(ctx, post(operation, "/rest/v2/emails/templates:send", body), nil)
	return err
}
