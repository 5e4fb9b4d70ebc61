package console

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
)

// TestAuditOfConfiguring: the audit tells what was changed from what was refused.
func TestAuditOfConfiguring(t *testing.T) {
	d := newDesk(t, func(o *Options) {
		o.Configure = func(_ context.Context, _ string, body []byte) error {
			if string(body) == "bad" {
				return errors.New("x.yaml:1:1: unknown key bad")
			}
			return nil
		}
	})
	d.answer(204, nil, "PUT", "/api/accounts/new", "good", "Content-Type", "application/yaml")
	d.answer(422, nil, "PUT", "/api/accounts/new", "bad", "Content-Type", "application/yaml")
	d.answer(204, nil, "DELETE", "/api/accounts/new", "")
	d.CaughtUp(t)
	var audit struct{ Audit []events.AuditLine }
	d.answer(200, &audit, "GET", "/api/audit", "")
	var got []string
	for _, l := range audit.Audit {
		got = append(got, l.Action+" "+l.Account+" "+l.Detail)
	}
	if diff := cmp.Diff([]string{"remove new ", "configure new refused", "configure new "}, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}
