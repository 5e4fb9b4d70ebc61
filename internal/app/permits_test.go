package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"bridge/internal/config"
	"bridge/internal/keap/sandbox"
	"bridge/internal/ops"
	"bridge/internal/rules"
)

// externalNATS is a server as an operator would run it.
func externalNATS(t *testing.T) string {
	t.Helper()
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	if !ns.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	return ns.ClientURL()
}

// looker is a process that does not work, as a command is.
func looker(t *testing.T, url, keap string) *App {
	t.Helper()
	a, _ := started(t, func(s *Settings) {
		s.Sandbox, s.Roles = false, []string{RoleConsole}
		s.Env.NatsURL, s.Env.KeapBaseURL = url, keap
	})
	return a
}

var tagNames = []ops.Name{{Kind: rules.NamedTag, Name: "Customer"}, {Kind: rules.NamedTag, Name: "101"}}

// limits proves that no call was above a limit of Keap's, and returns how many were made.
func withinLimits(t *testing.T, s *sandbox.Server) int {
	t.Helper()
	calls := s.Calls("")
	if v := calls.Violations; v.Second+v.Minute+v.Day > 0 {
		t.Errorf("calls above a limit: %+v", v)
	}
	return calls.Total
}

// dayUsed is how many calls the day's quota of the demo's account has seen.
func dayUsed(t *testing.T, a *App) int {
	t.Helper()
	account, err := a.desk.Account(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	return account.Quota.Day.Used
}

// TestPermitsOfAnotherProcess: a process that does not work has its calls counted by the one that does.
func TestPermitsOfAnotherProcess(t *testing.T) {
	url := externalNATS(t)
	worker, _ := started(t, func(s *Settings) { s.Env.NatsURL = url })
	command := looker(t, url, worker.SandboxURL+"/crm")
	p, err := command.desk.Prove(t.Context(), "default", tagNames)
	if err != nil || !p.Keys[0].Works || len(p.Names) != 2 {
		t.Fatalf("%+v %v", p, err)
	}
	res, err := http.Get("http://" + command.ConsoleAddr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(body), `bridge_keap_calls_total{operation="users.userinfo",status="200"} 1`) {
		t.Errorf("what people ask for is not noted as a call: %v\n%s", err, body)
	}
	made := withinLimits(t, worker.Sandbox)
	if used := dayUsed(t, worker); made == 0 || used < made {
		t.Errorf("the owner counts %d calls, %d were made", used, made)
	}
	if command.groups.find("app-ab123") != nil {
		t.Error("the command took the group up")
	}
}

// TestPermitsWhereNobodyWorks: commands borrow the group one after another; every call is written down, for a bridge
// that starts in the middle too.
func TestPermitsWhereNobodyWorks(t *testing.T) {
	url := externalNATS(t)
	keap, _ := started(t, nil) // a bridge elsewhere, for its sandbox
	one, two := looker(t, url, keap.SandboxURL+"/crm"), looker(t, url, keap.SandboxURL+"/crm")
	var all sync.WaitGroup
	for _, command := range []*App{one, two} {
		all.Go(func() {
			if p, err := command.desk.Prove(t.Context(), "default", tagNames); err != nil || !p.Keys[0].Works {
				t.Errorf("%+v %v", p, err)
			}
		})
	}
	all.Wait()
	made := withinLimits(t, keap.Sandbox)
	if used := dayUsed(t, one); made < 6 || used != made {
		t.Errorf("%d calls are written down, %d were made", used, made)
	}

	// A bridge starts while a command has the group.
	visit, err := one.visit(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	if _, borrowed := visit.current().(*borrowedPermits); !borrowed {
		t.Fatalf("permits are %T", visit.current())
	}
	worker, _ := started(t, func(s *Settings) {
		s.Env.NatsURL = url
		s.Sandbox, s.Env.KeapBaseURL = false, keap.SandboxURL+"/crm"
	})
	worker.queue.Wake("app-ab123")
	await(t, "the bridge has the group", func() bool { return worker.groups.find("app-ab123") != nil })
	if err := visit.call(t.Context(), func() error {
		_, err := visit.keap.UserInfo(t.Context())
		return err
	}); err != nil {
		t.Errorf("the command could not go on: %v", err)
	}
	if _, remote := visit.current().(*remotePermits); !remote {
		t.Errorf("permits are %T", visit.current())
	}
	if err := visit.close(t.Context()); err != nil {
		t.Error(err)
	}
	made = withinLimits(t, keap.Sandbox)
	if used := dayUsed(t, worker); used < made {
		t.Errorf("%d calls are counted, %d were made", used, made)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not in time", what)
		case <-look.C:
		}
	}
}

// TestQuotaUsedUp: with nothing left of the day nothing is sent, and the person is told when there is more.
func TestQuotaUsedUp(t *testing.T) {
	keap, _ := started(t, nil)
	command, _ := started(t, func(s *Settings) {
		s.Sandbox, s.Roles, s.Env.KeapBaseURL = false, []string{RoleConsole}, keap.SandboxURL+"/crm"
	})
	group := command.worlds.now.Load().groups["app-ab123"]
	group.Limits.Day = 2
	p, err := command.borrow(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		done, err := p.permit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done()
	}
	_, err = p.permit(t.Context())
	var asked *ops.Error
	if !errors.As(people(err), &asked) || asked.Hint == "" {
		t.Errorf("a third call: %v", err)
	}
	if err := p.end(t.Context()); err != nil {
		t.Error(err)
	}
	if made := withinLimits(t, keap.Sandbox); made != 0 {
		t.Errorf("%d calls were made", made)
	}
}

// TestNamesOfAConfiguration: each name once, with its places; what is only taken away need not be there.
func TestNamesOfAConfiguration(t *testing.T) {
	a, _ := started(t, func(s *Settings) { s.Roles = []string{RoleConsole} })
	names := Names(a.worlds.find("default").Account)
	find := func(kind, name string) Named {
		i := slices.IndexFunc(names, func(n Named) bool { return n.Kind == kind && n.Name.Name == name })
		if i < 0 {
			t.Fatalf("no %s %s in %+v", kind, name, names)
		}
		return names[i]
	}
	if n := find(rules.NamedTag, "Abandoned cart"); !n.Spare || len(n.Places) != 1 {
		t.Errorf("a tag that is only taken away: %+v", n)
	}
	if n := find(rules.NamedTag, "Member"); n.Spare || len(n.Places) != 2 {
		t.Errorf("a tag that is given and taken: %+v", n)
	}
	if n := find(rules.NamedGoal, "shop/bought"); len(n.Places) != 2 || n.Places[1] != "action_sets.42.replace_with" {
		t.Errorf("a goal of a rule and of a replacement: %+v", n)
	}
	find(rules.NamedUser, "1")
	if got := MaskedKeys(&config.Account{}); len(got) != 1 || got[0] == "" {
		t.Errorf("keys of an empty account: %v", got)
	}
}
