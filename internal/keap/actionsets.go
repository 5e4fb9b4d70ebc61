package keap

import (
	"context"
	"strconv"
)

// ActionSet is an action set as the application lists it.
type ActionSet struct{ ID, Name string }

// ActionResult is one action of a set that was run.
type ActionResult struct {
	Action  string
	Message string
	Failed  bool
}

// RunActionSet runs an action set on a contact over XML-RPC, which ends on 31 December 2026 and has planned outages
// before (KindBrownout). Not safe to repeat: every run does all its actions again.
func (c *Client) RunActionSet(ctx context.Context, contactID, actionSetID string) ([]ActionResult, error) {
	const operation = "action_sets.run"
	contact, err := i4(operation, "contact_id", contactID)
	if err != nil {
		return nil, err
	}
	set, err := i4(operation, "action_set", actionSetID)
	if err != nil {
		return nil, err
	}
	got, err := c.call(ctx, operation, "ContactService.runActionSequence", privateKey, contact, set)
	if err != nil {
		return nil, err
	}
	items, ok := got.array()
	if !ok {
		return nil, &Error{Kind: KindUnreadable, Operation: operation, Status: 200, Sent: true, Answered: true,
			Message: "XML-RPC answered with something else than the results of actions", Hint: hints[KindUnreadable]}
	}
	results := make([]ActionResult, len(items))
	for i, item := range items {
		results[i] = ActionResult{Action: item.member("Action").text(), Message: oneLine(item.member("Message").text()), Failed: item.member("IsError").truth()}
	}
	return results, nil
}

// privateKey stands where XML-RPC once wanted the encrypted key. Its value is ignored with today's credentials.
const privateKey = ""

// ActionSets lists the action sets of the application, by name. It is one request for up to 1,000 of them, and
// another one (Options.Extra is asked) for each further 1,000.
func (c *Client) ActionSets(ctx context.Context) ([]ActionSet, error) {
	const operation = "action_sets.list"
	var sets []ActionSet
	for page := int64(0); ; page++ {
		if page > 0 && c.extra != nil {
			if err := c.extra(ctx); err != nil {
				return nil, err
			}
		}
		got, err := c.call(ctx, operation, "DataService.query", privateKey, "ActionSequence", int64(maxPage), page,
			map[string]string{"Id": "%"}, []string{"Id", "TemplateName"})
		if err != nil {
			return nil, err
		}
		rows, ok := got.array()
		if !ok {
			return nil, &Error{Kind: KindUnreadable, Operation: operation, Status: 200, Sent: true, Answered: true,
				Message: "XML-RPC answered with something else than rows", Hint: hints[KindUnreadable]}
		}
		for _, row := range rows {
			sets = append(sets, ActionSet{ID: row.member("Id").text(), Name: row.member("TemplateName").text()})
		}
		if len(rows) < maxPage {
			return sets, nil
		}
	}
}

func i4(operation, field, id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 32)
	if err != nil || n <= 0 {
		return 0, invalid(operation, field, "%.40q is not an id: XML-RPC takes whole numbers", id)
	}
	return n, nil
}
