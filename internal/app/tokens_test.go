package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"bridge/internal/keap"
	"bridge/internal/keap/sandbox"
	"bridge/internal/queue"
	"bridge/internal/secret"
)

// loginChild makes this test binary one of several processes that share a login: {"nats", "keap"} in JSON.
const loginChild = "BRIDGE_TEST_LOGIN"

type loginPlace struct{ NATS, Keap string }

// open is what a process has of the login: the store of tokens on a real NATS, and a client that uses it.
func (p loginPlace) open(t *testing.T) (*tokenStore, *keap.Client) {
	t.Helper()
	q, err := queue.Open(t.Context(), queue.Options{URL: p.NATS, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	store := &tokenStore{q, "default", secret.New("the key of this test")}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	credential, err := keap.NewOAuth2(keap.OAuth2Config{
		ClientID: "client", ClientSecret: secret.New("s3cret"), RedirectURL: DefaultRedirect, BaseURL: p.Keap, Store: store, Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := keap.New(keap.Options{BaseURL: p.Keap, Credential: credential, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return store, client
}

// TestOneRefreshServesEightProcesses: a pair is refreshed by one of 8 processes that find it used up at the same time,
// and all of them go on with the new one. Once the pair is too old by the clock, once Keap refuses it.
func TestOneRefreshServesEightProcesses(t *testing.T) {
	if place := os.Getenv(loginChild); place != "" {
		shareLogin(t, place)
		return
	}
	const processes, callsEach = 8, 3
	crm := sandbox.New(sandbox.Options{Seed: 1})
	web := httptest.NewServer(crm)
	t.Cleanup(web.Close)
	place := loginPlace{runNATS(t), web.URL + "/crm"}
	store, _ := place.open(t)
	pair := crm.Issue("client", "ab123")
	tokens := keap.Tokens{Access: secret.New(pair.Access), Refresh: secret.New(pair.Refresh), Expires: time.Now().Add(time.Minute), Tenant: "ab123"}
	if _, err := store.Save(t.Context(), tokens, 0); err != nil {
		t.Fatal(err)
	}
	members := make([]*member, processes)
	for i := range members {
		members[i] = startMember(t, place)
	}
	for _, m := range members {
		m.expect("ready")
	}
	everybody := func(refreshes int) {
		t.Helper()
		for _, m := range members {
			m.say(fmt.Sprintf("call %d", callsEach))
		}
		for _, m := range members {
			m.expect("called")
		}
		if got := tokenCalls(crm); got != refreshes {
			t.Errorf("%d refreshes, want %d", got, refreshes)
		}
		now, _, err := store.Load(t.Context())
		if err != nil || now.Access.Equal(tokens.Access.Reveal()) || now.Refresh.Equal(tokens.Refresh.Reveal()) {
			t.Errorf("the stored pair is the old one (%v)", err)
		}
		tokens = now
	}
	everybody(1)
	// A day later Keap refuses the access token, whose end the processes have not noticed: their clock stands a day back.
	if err := crm.SetSettings(sandbox.Settings{Clock: sandbox.Clock{Set: true, At: time.Now().Add(25 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	everybody(2)
	for _, m := range members {
		m.end()
	}
	fine := crm.Calls("").ByOperation["users.userinfo"]
	if want := 2 * processes * callsEach; fine < want {
		t.Errorf("%d calls, want %d", fine, want)
	}
	t.Logf("%d processes, %d calls, %d refreshes", processes, fine, tokenCalls(crm))
}

func tokenCalls(crm *sandbox.Server) int {
	n := 0
	for _, line := range crm.Log("", time.Time{}, 0) {
		if line.Operation == "token" {
			n++
		}
	}
	return n
}

// shareLogin is a process: it calls Keap when it is told to.
func shareLogin(t *testing.T, text string) {
	var place loginPlace
	if err := json.Unmarshal([]byte(text), &place); err != nil {
		t.Fatal(err)
	}
	_, client := place.open(t)
	fmt.Println("ready")
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		var n int
		if _, err := fmt.Sscanf(orders.Text(), "call %d", &n); err != nil {
			t.Fatal(err)
		}
		var calls sync.WaitGroup
		for range n {
			calls.Go(func() {
				if _, err := client.UserInfo(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		fmt.Println("called")
	}
}

// member is a process seen from the test.
type member struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startMember(t *testing.T, place loginPlace) *member {
	t.Helper()
	text, err := json.Marshal(place)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOneRefreshServesEightProcesses$", "-test.timeout=2m")
	cmd.Env, cmd.Stderr = append(os.Environ(), loginChild+"="+string(text)), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &member{t, cmd, in, bufio.NewScanner(out)}
}

func (m *member) say(order string) {
	m.t.Helper()
	if _, err := fmt.Fprintln(m.in, order); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) expect(word string) {
	m.t.Helper()
	var said []string
	for m.out.Scan() {
		if m.out.Text() == word {
			return
		}
		said = append(said, m.out.Text())
	}
	m.t.Fatalf("a process ended and did not say %q but %s", word, strings.Join(said, "\n"))
}

func (m *member) end() {
	m.t.Helper()
	_ = m.in.Close() // its end of the orders
	for m.out.Scan() {
		if strings.Contains(m.out.Text(), "FAIL") {
			m.t.Error(m.out.Text())
		}
	}
	if err := m.cmd.Wait(); err != nil {
		m.t.Error(err)
	}
}

// runNATS is a NATS server of its own, as a cluster's would be.
func runNATS(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the NATS server does not answer")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s.ClientURL()
}
