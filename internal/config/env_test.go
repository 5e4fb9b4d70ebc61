package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bridge/internal/quota"
	"bridge/internal/secret"
)

func TestEnvDefaults(t *testing.T) {
	e, err := EnvFrom()
	if err != nil {
		t.Fatal(err)
	}
	if e.Config != "configs/bridge.yaml" || e.HTTPAddr != ":8080" || e.ConsoleAddr != "127.0.0.1:8081" || e.DataDir != "./data" ||
		e.KeapBaseURL != "https://api.infusionsoft.com/crm" || e.MaxBody != 1<<20 || time.Duration(e.Retention) != 90*24*time.Hour ||
		e.Fsync != FsyncAlways || e.NatsReplicas != 1 || e.KeapTimeout != 10*time.Second || e.ShutdownTimeout != 30*time.Second {
		t.Errorf("defaults are %+v", e)
	}
	if err := e.Check(); err != nil {
		t.Error(err)
	}
}

// TestEnvNames: every variable of the contract is read, and none without its prefix.
func TestEnvNames(t *testing.T) {
	for name, value := range map[string]string{
		"CONFIG": "x.yaml", "HTTP_ADDR": ":1", "CONSOLE_ADDR": ":2", "DATA_DIR": "d", "NATS_URL": "nats://n:4222", "NATS_CREDS": "c", "NATS_REPLICAS": "3",
		"CONSOLE_TOKEN": "t1", "KEAP_BASE_URL": "http://k", "LOG_LEVEL": "debug", "LOG_FORMAT": "json", "SHUTDOWN_TIMEOUT": "1s", "MAX_BODY": "2MiB",
		"PUBLIC_URL": "https://p", "TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1", "TLS_CERT": "tc", "TLS_KEY": "tk", "KEAP_TIMEOUT": "2s", "SECRET_KEY": "sk",
		"STORE_KEY": "st", "CONSOLE_TOKENS": "ct", "METRICS_TOKEN": "mt", "NATS_LISTEN": ":3", "NATS_USERS": "nu", "SPOOL": "true", "RETENTION": "14d", "FSYNC": "interval",
		"CONSOLE_PROXY_HEADER": "X-User", "CONSOLE_PROXY_ROLE": "operator",
	} {
		t.Setenv("BRIDGE_"+name, value)
		t.Setenv(name, "wrong")
	}
	e, err := EnvFrom()
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		e.Config, e.HTTPAddr, e.ConsoleAddr, e.DataDir, e.NatsURL, e.NatsCreds, e.NatsReplicas, e.ConsoleToken.Reveal(), e.KeapBaseURL, e.LogLevel.String(), e.LogFormat,
		e.ShutdownTimeout, int64(e.MaxBody), e.PublicURL, len(e.TrustedProxies), e.TLSCert, e.TLSKey, e.KeapTimeout, e.SecretKey.Reveal(), e.StoreKey.Reveal(),
		e.ConsoleTokens, e.MetricsToken.Reveal(), e.NatsListen, e.NatsUsers, e.Spool, time.Duration(e.Retention), e.Fsync, e.ConsoleProxyHeader, e.ConsoleProxyRole,
	}
	want := []any{
		"x.yaml", ":1", ":2", "d", "nats://n:4222", "c", 3, "t1", "http://k", "DEBUG", "json", time.Second, int64(2 << 20), "https://p", 2, "tc", "tk", 2 * time.Second,
		"sk", "st", "ct", "mt", ":3", "nu", true, 14 * 24 * time.Hour, "interval", "X-User", "operator",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("value %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestEnvThatCannotBeRead(t *testing.T) {
	for name, value := range map[string]string{"MAX_BODY": "x", "RETENTION": "long", "NATS_REPLICAS": "three", "LOG_LEVEL": "loud", "TRUSTED_PROXIES": "10.0.0.0/99", "SPOOL": "perhaps"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("BRIDGE_"+name, value)
			_, err := EnvFrom()
			var found Mistakes
			if errors.As(err, &found); len(found) != 1 || found[0].File != "BRIDGE_"+name {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEnvMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(e *Env)
		want   string // the variable; "" when all is well
	}{
		"as it is":                       {func(*Env) {}, ""},
		"open console":                   {func(e *Env) { e.ConsoleAddr = ":8081" }, "BRIDGE_CONSOLE_TOKEN"},
		"open console on a name":         {func(e *Env) { e.ConsoleAddr = "bridge.example.com:8081" }, "BRIDGE_CONSOLE_TOKEN"},
		"open console with a token":      {func(e *Env) { e.ConsoleAddr, e.ConsoleToken = "0.0.0.0:8081", secret.New("x") }, ""},
		"open console with many":         {func(e *Env) { e.ConsoleAddr, e.ConsoleTokens = "0.0.0.0:8081", "tokens" }, ""},
		"a proxy from anywhere":          {func(e *Env) { e.ConsoleProxyHeader = "X-User" }, "BRIDGE_TRUSTED_PROXIES"},
		"a proxy's role":                 {func(e *Env) { e.ConsoleProxyRole = "root" }, "BRIDGE_CONSOLE_PROXY_ROLE"},
		"console on IPv6 loopback":       {func(e *Env) { e.ConsoleAddr = "[::1]:8081" }, ""},
		"console on localhost":           {func(e *Env) { e.ConsoleAddr = "localhost:0" }, ""},
		"an address without a port":      {func(e *Env) { e.HTTPAddr = "8080" }, "BRIDGE_HTTP_ADDR"},
		"Keap's address":                 {func(e *Env) { e.KeapBaseURL = "api.infusionsoft.com" }, "BRIDGE_KEAP_BASE_URL"},
		"replicas of an embedded server": {func(e *Env) { e.NatsReplicas = 3 }, "BRIDGE_NATS_REPLICAS"},
		"replicas of a cluster":          {func(e *Env) { e.NatsReplicas, e.NatsURL = 3, "nats://a:4222,tls://b:4222" }, ""},
		"no NATS address":                {func(e *Env) { e.NatsURL = "localhost:4222" }, "BRIDGE_NATS_URL"},
		"open NATS without users":        {func(e *Env) { e.NatsListen = ":4222" }, "BRIDGE_NATS_USERS"},
		"NATS for this machine":          {func(e *Env) { e.NatsListen = "127.0.0.1:4222" }, ""},
		"a port of another's server":     {func(e *Env) { e.NatsListen, e.NatsURL = "127.0.0.1:4222", "nats://a:1" }, "BRIDGE_NATS_LISTEN"},
		"spool without a cluster":        {func(e *Env) { e.Spool = true }, "BRIDGE_SPOOL"},
		"short retention":                {func(e *Env) { e.Retention = Duration(24 * time.Hour) }, "BRIDGE_RETENTION"},
		"fsync":                          {func(e *Env) { e.Fsync = "never" }, "BRIDGE_FSYNC"},
		"half of TLS":                    {func(e *Env) { e.TLSCert = "x" }, "BRIDGE_TLS_CERT"},
		"short key":                      {func(e *Env) { e.SecretKey = secret.New("short") }, "BRIDGE_SECRET_KEY"},
		"log format":                     {func(e *Env) { e.LogFormat = "xml" }, "BRIDGE_LOG_FORMAT"},
		"no time to stop":                {func(e *Env) { e.ShutdownTimeout = 0 }, "BRIDGE_SHUTDOWN_TIMEOUT"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := EnvFrom()
			if err != nil {
				t.Fatal(err)
			}
			c.change(&e)
			err = e.Check()
			var found Mistakes
			errors.As(err, &found)
			if c.want == "" && err != nil || c.want != "" && (len(found) != 1 || found[0].File != c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "short\"") {
				t.Error("a secret is shown")
			}
		})
	}
}

func TestGroups(t *testing.T) {
	key := func(app string) *Account {
		return &Account{App: app, Keap: Keap{ServiceAccountKey: secret.New("KeapAK-x")}}
	}
	client := func(app, id string) *Account { return &Account{App: app, Keap: Keap{OAuth2: &OAuth2{ClientID: id}}} }
	c := &Config{Accounts: map[string]*Account{
		"one": key("ab123"), "two": key("ab123"), "three": key("cd456"), "four": client("ef789", "c1"), "five": client("gh012", "c1"),
		"six": key(""), "seven": client("", "c2"), "eight": client("cd456", "c2"),
	}}
	c.Accounts["two"].Quota.Minute = 100
	var got []string
	for _, g := range c.Groups() {
		got = append(got, g.Name+"="+strings.Join(g.Accounts, ","))
	}
	want := "app-ab123=one,two app-cd456=eight,seven,three app-ef789=five,four only-six=six"
	if strings.Join(got, " ") != want {
		t.Errorf("groups are %s, want %s", got, want)
	}
	first := c.Groups()[0]
	if first.Limits != (quota.Limits{Second: 10, Minute: 100, Day: 30_000, TenantMinute: 10_000, TenantDay: 250_000}) || first.Share() != 15_000 {
		t.Errorf("group is %+v", first)
	}
	if names := c.GroupOf(); names["seven"] != "app-cd456" {
		t.Errorf("names are %v", names)
	}
}
