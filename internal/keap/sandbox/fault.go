package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is a rule that spoils calls which the quota has let pass. The first rule that matches a call is applied.
type Fault struct {
	Match Match  `json:"match"`
	Fault string `json:"fault"`           // status:N, timeout_before, timeout_after, reset, truncated, html, not_json, slow:2s, xml_fault:N
	Times int    `json:"times,omitempty"` // how often at most; 0: no end
}

// Match says which calls a Fault meets: all those of its operation and tenant, or every n-th of them, or a share.
type Match struct {
	Operation string  `json:"operation,omitempty"` // "tags.apply", or "tags.*"; "": all
	App       string  `json:"app,omitempty"`
	Every     int     `json:"every,omitempty"`
	Rate      float64 `json:"rate,omitempty"` // 0…1
}

// faultKind is what a fault does to its call.
type faultKind string

const (
	faultStatus        faultKind = "status"         // status:N answers N, nothing is done
	faultTimeoutBefore faultKind = "timeout_before" // never answers, nothing is done
	faultTimeoutAfter  faultKind = "timeout_after"  // does it and never answers
	faultReset         faultKind = "reset"          // breaks the connection, nothing is done
	faultTruncated     faultKind = "truncated"      // does it and breaks off in the middle of the answer's body
	faultHTML          faultKind = "html"           // 502 with an HTML page, nothing is done
	faultNotJSON       faultKind = "not_json"       // does it and answers 200 with a text
	faultSlow          faultKind = "slow"           // slow:2s does it and answers late
	faultXML           faultKind = "xml_fault"      // xml_fault:500 does it and answers 200 with this fault of XML-RPC
)

// happens reports whether the call has its effect all the same.
func (k faultKind) happens() bool {
	return k == "" || k == faultTimeoutAfter || k == faultTruncated || k == faultNotJSON || k == faultSlow || k == faultXML
}

// faultRule is a Fault at work.
type faultRule struct {
	Fault
	kind   faultKind
	status int
	delay  time.Duration
	seen   int // calls that matched
	done   int // of them spoilt
}

func newFaultRule(f Fault) (*faultRule, error) {
	r := &faultRule{Fault: f}
	name, arg, _ := strings.Cut(f.Fault, ":")
	r.kind = faultKind(name)
	var err error
	switch r.kind {
	case faultStatus:
		if r.status, err = strconv.Atoi(arg); err != nil || r.status < 300 || r.status > 599 {
			return nil, fmt.Errorf("fault %q: want a status from 300 to 599", f.Fault)
		}
	case faultSlow:
		if r.delay, err = time.ParseDuration(arg); err != nil || r.delay < 0 {
			return nil, fmt.Errorf("fault %q: want a duration such as slow:2s", f.Fault)
		}
	case faultXML:
		if r.status, err = strconv.Atoi(arg); err != nil {
			return nil, fmt.Errorf("fault %q: want a number such as xml_fault:500", f.Fault)
		}
	case faultTimeoutBefore, faultTimeoutAfter, faultReset, faultTruncated, faultHTML, faultNotJSON:
	default:
		return nil, fmt.Errorf("fault %q: want status:N, timeout_before, timeout_after, reset, truncated, html, not_json, slow:2s or xml_fault:N", f.Fault)
	}
	if op := f.Match.Operation; op != "" && !knownOperation(op) {
		return nil, fmt.Errorf("fault %q: no operation is called %q; names are those of by_operation in /sandbox/calls, such as contacts.upsert or tags.*", f.Fault, op)
	}
	if m := f.Match; m.Every < 0 || m.Rate < 0 || m.Rate > 1 || m.Every > 0 && m.Rate > 0 || f.Times < 0 {
		return nil, fmt.Errorf("fault %q: want every ≥ 1 or 0 < rate ≤ 1, and times ≥ 0", f.Fault)
	}
	return r, nil
}

// knownOperation reports whether a name, or a beginning of names with *, can be that of a call. Methods of XML-RPC have
// the names that their callers give them.
func knownOperation(name string) bool {
	family, wild := strings.CutSuffix(name, "*")
	if strings.HasPrefix(family, "xmlrpc") {
		return true
	}
	for _, r := range slices.Concat(v1Routes, v2Routes, []route{{operation: "action_sets.run"}, {operation: "action_sets.list"}, {operation: "xmlrpc"}, {operation: "unknown"}}) {
		if r.operation == name || wild && strings.HasPrefix(r.operation, family) {
			return true
		}
	}
	return false
}

// SetFaults replaces the rules; their counters start again. A mistake leaves the old rules in force.
func (s *Server) SetFaults(faults []Fault) error {
	rules := make([]*faultRule, 0, len(faults))
	for _, f := range faults {
		r, err := newFaultRule(f)
		if err != nil {
			return err
		}
		rules = append(rules, r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = rules
	return nil
}

// ParseFaults reads rules as the control API takes them: a JSON array.
func ParseFaults(b []byte) ([]Fault, error) {
	var faults []Fault
	if err := decodeControl(b, &faults); err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	for _, f := range faults {
		if _, err := newFaultRule(f); err != nil {
			return nil, err
		}
	}
	return faults, nil
}

func (s *Server) faultLocked(operation, app string) *faultRule {
	for _, r := range s.faults {
		if !r.matches(operation, app) || r.Times > 0 && r.done >= r.Times {
			continue
		}
		r.seen++
		if r.Match.Every > 0 && r.seen%r.Match.Every != 0 || r.Match.Rate > 0 && s.rng.Float64() >= r.Match.Rate {
			continue
		}
		r.done++
		return r
	}
	return nil
}

func (r *faultRule) matches(operation, app string) bool {
	if r.Match.App != "" && r.Match.App != app {
		return false
	}
	if family, ok := strings.CutSuffix(r.Match.Operation, "*"); ok {
		return strings.HasPrefix(operation, family)
	}
	return r.Match.Operation == "" || r.Match.Operation == operation
}

// spoil turns an answer into what the fault makes of it.
func (r *faultRule) spoil(a answer, version int) answer {
	switch r.kind {
	case faultStatus:
		a.status = r.status
		a.kind, a.body = gatewayBody(r.status, version)
	case faultHTML:
		a.status = http.StatusBadGateway
		a.kind, a.body = "text/html", []byte(badGatewayPage)
	case faultNotJSON:
		a.status = http.StatusOK
		a.kind, a.body = "text/plain", []byte("OK, but this is not what you were promised")
	case faultXML:
		a.status, a.kind = http.StatusOK, "text/xml;charset=UTF-8"
		a.body = fault{r.status, "Server encountered exception: java.lang.IllegalStateException"}.response()
	case faultSlow:
		a.wait += r.delay
		return a
	}
	a.fault = r.kind
	return a
}

const badGatewayPage = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
