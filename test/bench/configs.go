package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// oneAccount is how many events, of two calls each, fit in what a whole application may do in a minute (10,000 calls). That
// limit cannot be lifted.
const oneAccount = 4_000

// configured says which accounts a configuration is to hold. Every account has a Keap application, and so a quota, of
// its own.
type configured struct {
	accounts int
	rules    int  // of which one matches every order
	lifted   bool // the quota; else Keap's own
}

// names lists the accounts.
func (c configured) names() []string {
	list := make([]string, c.accounts)
	for i := range list {
		list[i] = fmt.Sprintf("shop-%05d", i)
	}
	return list
}

// write makes the file.
func (c configured) write(dir string) (string, error) {
	var t strings.Builder
	t.WriteString("rule_sets:\n  shop:\n    - {name: purchase, on: order.paid, do: [{contact: {opt_in: Bought something}}, {tag: [Customer, Paid]}]}\n")
	for i := range c.rules - 1 {
		fmt.Fprintf(&t, "    - {name: large-%d, on: order.paid, when: \"event.order.total >= %d.0\", do: [{contact: {opt_in: Bought much}}, {tag: [Large %d]}]}\n", i, 100_000+i, i)
	}
	t.WriteString("accounts:\n")
	quota := ""
	if c.lifted {
		quota = ", quota: {second: 10000, minute: 500000, day: 240000}, reserve: {urgent: 0%, normal: 0%}"
	}
	for i, name := range c.names() {
		fmt.Fprintf(&t, "  %s: {app: %s, keap: {service_account_key: KeapAK-%032d}%s, sources: {shop: {kind: woocommerce, secret: %s}}, rules: [{use: shop}]}\n",
			name, app(i), i, quota, shopSecret)
	}
	path := filepath.Join(dir, "bridge.yaml")
	return path, os.WriteFile(path, []byte(t.String()), 0o600)
}

// app is the n-th Keap application: two letters, three digits.
func app(n int) string {
	return fmt.Sprintf("%c%c%03d", 'a'+n/1000/26%26, 'a'+n/1000%26, n%1000)
}

// keapSandbox is a sandbox in a process of its own.
type keapSandbox struct {
	*process
	base string
}

// sandbox starts one with its quota lifted.
func (b *bench) sandbox() (*keapSandbox, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := b.start("sandbox", b.binary, []string{"BRIDGE_LOG_LEVEL=warn"}, "sandbox", "--addr", addr)
	if err != nil {
		return nil, err
	}
	s := &keapSandbox{p, "http://" + addr}
	p.console = addr
	if err := b.until(p, "it was ready", 5*time.Millisecond, func() bool { return p.answers("/sandbox/calls") }); err != nil {
		p.stop()
		return nil, err
	}
	if err := s.post("/sandbox/settings", `{"quota":{"second":0,"minute":0,"day":0}}`); err != nil {
		p.stop()
		return nil, err
	}
	return s, nil
}

func (s *keapSandbox) post(path, body string) error {
	res, err := http.Post(s.base+path, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s: %s: %s", path, res.Status, text)
	}
	return nil
}

// calls counts what the sandbox was asked: in all and for contacts.
func (s *keapSandbox) calls() (total, contacts int, err error) {
	res, err := http.Get(s.base + "/sandbox/calls")
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	var c struct {
		Total       int            `json:"total"`
		ByOperation map[string]int `json:"by_operation"`
	}
	err = json.NewDecoder(res.Body).Decode(&c)
	return c.Total, c.ByOperation["contacts.upsert"], err
}
