package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"bridge/internal/secret"
	"bridge/internal/sources"
)

// Env is the process's own settings: BRIDGE_* variables. Words of a field's name are joined by _ (HTTPAddr is BRIDGE_HTTP_ADDR).
type Env struct {
	Config             string        `split_words:"true" default:"configs/bridge.yaml" desc:"configuration: a file or a directory"`
	HTTPAddr           string        `split_words:"true" default:":8080" desc:"where webhooks are taken"`
	ConsoleAddr        string        `split_words:"true" default:"127.0.0.1:8081" desc:"console, API, metrics, health"`
	DataDir            string        `split_words:"true" default:"./data" desc:"what is kept on this disk"`
	NatsURL            string        `split_words:"true" desc:"external NATS; empty: embedded"`
	NatsCreds          string        `split_words:"true" desc:"credentials file for it"`
	NatsReplicas       int           `split_words:"true" default:"1" desc:"copies of each stream; 3 on a cluster"`
	NatsListen         string        `split_words:"true" desc:"port of the embedded server for publishers"`
	NatsUsers          string        `split_words:"true" desc:"file of nkeys and what each may publish"`
	ConsoleToken       secret.Text   `split_words:"true" desc:"needed when CONSOLE_ADDR is not loopback"`
	ConsoleTokens      string        `split_words:"true" desc:"file of roles, names and token hashes"`
	ConsoleProxyHeader string        `split_words:"true" desc:"header in which a proxy of TRUSTED_PROXIES names the user whom it let in"`
	ConsoleProxyRole   string        `split_words:"true" default:"viewer" desc:"what such a user may do"`
	MetricsToken       secret.Text   `split_words:"true" desc:"for /metrics alone"`
	KeapBaseURL        string        `split_words:"true" default:"https://api.infusionsoft.com/crm" desc:"Keap, or a sandbox"`
	KeapTimeout        time.Duration `split_words:"true" default:"10s" desc:"for one call"`
	LogLevel           slog.Level    `split_words:"true" default:"info" desc:"debug, info, warn, error"`
	LogFormat          string        `split_words:"true" desc:"text or json; text on a terminal by default"`
	ShutdownTimeout    time.Duration `split_words:"true" default:"30s" desc:"for what is in the middle of a call"`
	MaxBody            sources.Size  `split_words:"true" default:"1MiB" desc:"of a webhook"`
	PublicURL          string        `split_words:"true" desc:"what senders and OAuth redirects see"`
	TrustedProxies     Networks      `split_words:"true" desc:"whose X-Forwarded-For counts"`
	TLSCert            string        `split_words:"true" desc:"certificate file for HTTP_ADDR"`
	TLSKey             string        `split_words:"true" desc:"its key"`
	SecretKey          secret.Text   `split_words:"true" desc:"encrypts stored credentials"`
	StoreKey           secret.Text   `split_words:"true" desc:"encrypts the embedded store"`
	Spool              bool          `split_words:"true" desc:"keep taking webhooks on local disk while an external cluster is away"`
	Retention          Duration      `split_words:"true" default:"90d" desc:"how long events are kept and resends recognised"`
	Fsync              string        `split_words:"true" default:"always" desc:"always, or interval: faster, and a power cut may lose a moment"`
}

// Durability of an accepted event.
const (
	FsyncAlways   = "always"
	FsyncInterval = "interval"
)

// Duration is a time span that may be written in days: 90d.
type Duration time.Duration

// UnmarshalText reads 30s, 24h, 90d.
func (d *Duration) UnmarshalText(b []byte) error {
	value, err := parseDuration(string(b))
	*d = Duration(value)
	return err
}

// Networks is a list of networks, separated by commas.
type Networks []netip.Prefix

// UnmarshalText reads 10.0.0.0/8,192.0.2.1.
func (n *Networks) UnmarshalText(b []byte) error {
	for one := range strings.SplitSeq(string(b), ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		prefix, err := parsePrefix(one)
		if err != nil {
			return err
		}
		*n = append(*n, prefix)
	}
	return nil
}

// EnvFrom reads the environment. The error is Mistakes and names the first variable that cannot be read; whether the
// values fit together, Check says. An empty variable is as good as none: that is how compose files pass on what is not set.
func EnvFrom() (Env, error) {
	var e Env
	for _, kv := range os.Environ() {
		if name, value, _ := strings.Cut(kv, "="); value == "" && strings.HasPrefix(name, "BRIDGE_") {
			if err := os.Unsetenv(name); err != nil {
				return e, err
			}
		}
	}
	err := envconfig.Process("bridge", &e)
	if bad := (*envconfig.ParseError)(nil); errors.As(err, &bad) {
		return Env{}, Mistakes{{File: bad.KeyName, Text: bad.Err.Error()}}
	}
	return e, err
}

// Check tells what in the environment keeps serve from starting. The error is Mistakes.
func (e *Env) Check() error {
	var all Mistakes
	wrong := func(name, text, hint string) {
		all = append(all, Mistake{File: "BRIDGE_" + name, Text: text, Hint: hint})
	}
	if !loopback(e.ConsoleAddr) && e.ConsoleToken.Empty() && e.ConsoleTokens == "" {
		wrong("CONSOLE_TOKEN", "missing: BRIDGE_CONSOLE_ADDR ("+e.ConsoleAddr+") can be reached from other machines",
			"export BRIDGE_CONSOLE_TOKEN=$(openssl rand -hex 24), or BRIDGE_CONSOLE_ADDR=127.0.0.1:8081")
	}
	for _, a := range []struct{ name, value string }{{"HTTP_ADDR", e.HTTPAddr}, {"CONSOLE_ADDR", e.ConsoleAddr}, {"NATS_LISTEN", e.NatsListen}} {
		if _, _, err := net.SplitHostPort(a.value); err != nil && (a.value != "" || a.name != "NATS_LISTEN") {
			wrong(a.name, "no address: host:port or :port is expected", "")
		}
	}
	if !webAddress(e.KeapBaseURL) {
		wrong("KEAP_BASE_URL", "no http:// or https:// address", "https://api.infusionsoft.com/crm, or a sandbox's http://127.0.0.1:8090/crm")
	}
	if e.PublicURL != "" && !webAddress(e.PublicURL) {
		wrong("PUBLIC_URL", "no http:// or https:// address", "")
	}
	e.checkNATS(wrong)
	e.checkValues(wrong)
	if len(all) > 0 {
		return all
	}
	return nil
}

func (e *Env) checkNATS(wrong func(name, text, hint string)) {
	external := e.NatsURL != ""
	if external && !natsAddress(e.NatsURL) {
		wrong("NATS_URL", "no list of nats:// or tls:// addresses", "nats://10.0.0.1:4222,nats://10.0.0.2:4222")
	}
	switch {
	case e.NatsReplicas < 1 || e.NatsReplicas > 5:
		wrong("NATS_REPLICAS", "must be between 1 and 5", "")
	case e.NatsReplicas > 1 && !external:
		wrong("NATS_REPLICAS", "needs a cluster: the embedded server is one", "set BRIDGE_NATS_URL")
	}
	for _, v := range []struct {
		name  string
		given bool
	}{{"NATS_LISTEN", e.NatsListen != ""}, {"NATS_USERS", e.NatsUsers != ""}, {"STORE_KEY", !e.StoreKey.Empty()}} {
		if v.given && external {
			wrong(v.name, "goes with the embedded server, and BRIDGE_NATS_URL names another one", "")
		}
	}
	for _, v := range []struct {
		name  string
		given bool
	}{{"NATS_CREDS", e.NatsCreds != ""}, {"SPOOL", e.Spool}} {
		if v.given && !external {
			wrong(v.name, "goes with an external NATS", "set BRIDGE_NATS_URL")
		}
	}
	if e.NatsListen != "" && e.NatsUsers == "" && !loopback(e.NatsListen) {
		wrong("NATS_USERS", "missing: BRIDGE_NATS_LISTEN can be reached from other machines", "a file of nkeys and what each may publish")
	}
}

// minRetention is how long resends have to be recognised at least: senders retry for up to a week.
const minRetention = 7 * 24 * time.Hour

func (e *Env) checkValues(wrong func(name, text, hint string)) {
	if e.Fsync != FsyncAlways && e.Fsync != FsyncInterval {
		wrong("FSYNC", "must be always or interval", "")
	}
	if e.LogFormat != "" && e.LogFormat != "text" && e.LogFormat != "json" {
		wrong("LOG_FORMAT", "must be text or json", "")
	}
	if time.Duration(e.Retention) < minRetention {
		wrong("RETENTION", "must be at least 7d: senders repeat deliveries for as long", "")
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"SHUTDOWN_TIMEOUT", e.ShutdownTimeout}, {"KEAP_TIMEOUT", e.KeapTimeout}} {
		if d.value <= 0 {
			wrong(d.name, "must be a duration above 0", "")
		}
	}
	if e.ConsoleProxyRole != "viewer" && e.ConsoleProxyRole != "operator" && e.ConsoleProxyRole != "admin" {
		wrong("CONSOLE_PROXY_ROLE", "must be viewer, operator or admin", "")
	}
	if e.ConsoleProxyHeader != "" && len(e.TrustedProxies) == 0 {
		wrong("TRUSTED_PROXIES", "missing: BRIDGE_CONSOLE_PROXY_HEADER counts only when it comes from one of them", "the proxy's address, as in 10.0.0.5/32")
	}
	if (e.TLSCert == "") != (e.TLSKey == "") {
		wrong("TLS_CERT", "goes together with BRIDGE_TLS_KEY", "")
	}
	for _, s := range []struct {
		name  string
		value secret.Text
	}{{"SECRET_KEY", e.SecretKey}, {"STORE_KEY", e.StoreKey}} {
		if n := len(s.value.Reveal()); n > 0 && n < 16 {
			wrong(s.name, "is shorter than 16 characters", "openssl rand -hex 32")
		}
	}
}

func natsAddress(list string) bool {
	for one := range strings.SplitSeq(list, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss" {
			return false
		}
	}
	return true
}

// loopback tells whether only this machine reaches the address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// DefaultEnv is the environment of a process for which no variable is set.
func DefaultEnv() Env {
	var e Env
	set := reflect.ValueOf(&e).Elem()
	for i := range set.NumField() {
		text, ok := set.Type().Field(i).Tag.Lookup("default")
		if !ok {
			continue
		}
		if err := setText(set.Field(i), text); err != nil {
			panic("config: default of " + set.Type().Field(i).Name + ": " + err.Error()) // held by a test
		}
	}
	return e
}

// setText reads a default as envconfig would.
func setText(field reflect.Value, text string) error {
	if u, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch p := field.Addr().Interface().(type) {
	case *string:
		*p = text
		return nil
	case *time.Duration:
		d, err := time.ParseDuration(text)
		*p = d
		return err
	case *int:
		n, err := strconv.Atoi(text)
		*p = n
		return err
	}
	return fmt.Errorf("cannot set a %s", field.Type())
}
