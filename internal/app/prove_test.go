package app

import (
	"fmt"
	"strings"
	"testing"

	"bridge/internal/keap/sandbox"
)

// TestProofThatFails: whoever checks a key is told what to do about the key, and not about an event.
func TestProofThatFails(t *testing.T) {
	a, _ := started(t, nil)
	for _, status := range []int{400, 401, 403, 404, 409, 422, 500, 503} {
		if err := a.Sandbox.SetFaults([]sandbox.Fault{{Match: sandbox.Match{Operation: "users.userinfo"}, Fault: fmt.Sprint("status:", status)}}); err != nil {
			t.Fatal(err)
		}
		p, err := a.desk.Prove(t.Context(), "default", nil)
		if err != nil {
			t.Fatal(status, err)
		}
		k := p.Keys[0]
		if k.Works || !strings.Contains(k.Error, fmt.Sprint(status)) || k.Hint == "" || strings.Contains(k.Hint, "event") {
			t.Errorf("%d: %+v", status, k)
		}
		t.Logf("%d: %s; %s", status, k.Error, k.Hint)
	}
}
