package console

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestBackupIsForAdmins(t *testing.T) {
	var fail error
	d := newDesk(t, func(o *Options) {
		withTokens(o)
		o.Backup = func(_ context.Context, w io.Writer) error {
			if fail != nil {
				return fail
			}
			_, err := io.WriteString(w, "everything")
			return err
		}
	})
	for token, want := range map[string]int{"": 401, viewerToken: 403, operatorToken: 403, adminToken: 200} {
		var headers []string
		if token != "" {
			headers = bearer(token)
		}
		if text := d.answer(want, nil, "GET", "/api/backup", "", headers...); strings.Contains(text, "everything") != (want == 200) {
			t.Errorf("%d: %s", want, text)
		}
	}
	fail = errors.New("the stream KV_ledger is gone")
	if text := d.answer(500, nil, "GET", "/api/backup", "", bearer(adminToken)...); strings.Contains(text, "KV_ledger") {
		t.Errorf("inner details: %s", text)
	}
	d.CaughtUp(t)
	lines, err := d.Desk.Records.Audit(t.Context(), "", 10)
	if err != nil || len(lines) != 2 || lines[0].Action != "backup" || lines[0].Who != "admin" {
		t.Errorf("%+v %v", lines, err)
	}
	none := newDesk(t, nil)
	none.answer(404, nil, "GET", "/api/backup", "")
}
