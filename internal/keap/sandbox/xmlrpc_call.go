package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// xmlMethod does one XML-RPC method; the key is no longer among its parameters.
type xmlMethod func(t *tenant, c *call, p params) (any, error)

// xmlMethods are the methods that are simulated.
var xmlMethods = map[string]xmlMethod{
	"ContactService.add":                 xmlAdd,
	"ContactService.addWithDupCheck":     xmlAddWithDupCheck,
	"ContactService.update":              xmlUpdate,
	"ContactService.load":                xmlLoad,
	"ContactService.findByEmail":         xmlFindByEmail,
	"ContactService.merge":               xmlMerge,
	"ContactService.addToGroup":          xmlAddToGroup,
	"ContactService.removeFromGroup":     xmlRemoveFromGroup,
	"ContactService.runActionSequence":   xmlRunActionSequence,
	"FunnelService.achieveGoal":          xmlAchieveGoal,
	"APIEmailService.optIn":              xmlOptIn,
	"APIEmailService.optOut":             xmlOptOut,
	"APIEmailService.getOptStatus":       xmlOptStatus,
	"APIEmailService.sendTemplate":       xmlSendTemplate,
	"APIEmailService.sendEmail":          xmlSendEmail,
	"DataService.query":                  xmlQuery,
	"DataService.findByField":            xmlFindByField,
	"DataService.count":                  xmlCount,
	"DataService.load":                   xmlLoadRow,
	"DataService.add":                    xmlAddRow,
	"DataService.update":                 xmlUpdateRow,
	"InvoiceService.createBlankOrder":    xmlCreateOrder,
	"InvoiceService.addOrderItem":        xmlAddOrderItem,
	"InvoiceService.addManualPayment":    xmlAddPayment,
	"InvoiceService.calculateAmountOwed": xmlAmountOwed,
}

// Fault codes (the sheet's §4.4); the texts begin with the names.
const (
	faultUnexpected     = 3
	faultRecordNotFound = 5
	faultNoAccess       = 7
	faultNoTable        = 9
	faultNoField        = 10
	faultParameter      = 12
	faultNoMethod       = -32601
)

func recordNotFound(format string, args ...any) fault {
	return fault{faultRecordNotFound, "[RecordNotFound]" + fmt.Sprintf(format, args...)}
}

// xmlrpcOperation names a call for log and faults.
func xmlrpcOperation(body []byte) string {
	method, _, err := parseXMLRPC(body)
	switch {
	case method == "" || err != nil && !strings.Contains(method, "."):
		return "xmlrpc"
	case method == "ContactService.runActionSequence":
		return "action_sets.run"
	case method == "DataService.query" && strings.Contains(string(body), "ActionSequence"):
		return "action_sets.list"
	}
	return "xmlrpc." + method
}

// serveXMLRPC answers a methodCall: faults come with HTTP 200.
func serveXMLRPC(t *tenant, c *call) reply {
	v, err := t.xmlrpc(c)
	out := reply{status: http.StatusOK, kind: "text/xml;charset=UTF-8"}
	var f fault
	switch {
	case err == nil:
		out.body = xmlResponse(v)
	case errors.As(err, &f):
		out.body = f.response()
	default:
		out.body = fault{faultParameter, "[InvalidParameter]" + err.Error()}.response()
	}
	return out
}

func (t *tenant) xmlrpc(c *call) (any, error) {
	method, values, err := parseXMLRPC(c.body)
	if errors.Is(err, io.EOF) || err != nil && len(c.body) == 0 {
		return nil, fault{0, "Failed to parse XML-RPC request: Premature end of file."}
	}
	if err != nil {
		return nil, fault{0, "Failed to parse XML-RPC request: " + err.Error()}
	}
	do, known := xmlMethods[method]
	if !known {
		return nil, fault{faultNoMethod, "No such handler: " + method + " (the sandbox does not simulate it)"}
	}
	if len(values) == 0 {
		return nil, noMethodMatching(values)
	}
	return do(t, c, params{values: values[1:]}) // the key stands first and means nothing with token authentication
}

func noMethodMatching(values []any) fault {
	var kinds []string
	for _, v := range values {
		kinds = append(kinds, map[bool]string{true: "java.lang.String", false: fmt.Sprintf("%T", v)}[fmt.Sprintf("%T", v) == "string"])
	}
	return fault{faultUnexpected, "No method matching arguments: " + strings.Join(kinds, ", ")}
}

// params reads the parameters of a method; the first mistake is kept.
type params struct {
	values []any
	err    error
}

func (p *params) at(n int) any {
	if n >= len(p.values) {
		p.err = noMethodMatching(p.values)
		return nil
	}
	return p.values[n]
}

// id takes an integer, or text that is one, as Keap's own SDKs send both.
func (p *params) id(n int) ref { return p.number(p.at(n)) }

func (p *params) number(v any) ref {
	switch v := v.(type) {
	case int:
		return ref(v)
	case string:
		if id := parseRef(v); id != 0 {
			return id
		}
	case nil:
		return 0
	}
	p.fail()
	return 0
}

func (p *params) text(n int) string {
	switch v := p.at(n).(type) {
	case string:
		return v
	case int:
		return fmt.Sprint(v)
	case nil:
		return ""
	}
	p.fail()
	return ""
}

func (p *params) fields(n int) map[string]any {
	v, good := p.at(n).(map[string]any)
	if !good {
		p.fail()
	}
	return v
}

func (p *params) list(n int) []any {
	v, good := p.at(n).([]any)
	if !good {
		p.fail()
	}
	return v
}

func (p *params) ids(n int) []ref {
	var out []ref
	for _, v := range p.list(n) {
		out = append(out, p.number(v))
	}
	return out
}

func (p *params) names(n int) []string {
	var out []string
	for _, v := range p.list(n) {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func (p *params) fail() {
	if p.err == nil {
		p.err = noMethodMatching(p.values)
	}
}

// outage is an answer that is no XML-RPC.
type outage struct {
	status int
	kind   string
	body   []byte
}

// xmlrpcEnd is when Keap turns XML-RPC off: "firm deadline, no extensions".
var xmlrpcEnd = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// brownouts are answers that a planned outage may give. Nobody has reported which one Keap gives: they take turns.
var brownouts = []outage{
	{http.StatusServiceUnavailable, "text/html", []byte("<html><body><h1>503 Service Unavailable</h1>XML-RPC is unavailable for a planned outage.</body></html>")},
	{http.StatusGone, "application/json", []byte(`{"fault":{"faultstring":"XML-RPC is unavailable for a planned outage","detail":{"errorcode":"messaging.adaptors.http.flow.ServiceUnavailable"}}}`)},
	{http.StatusOK, "text/html", []byte("<html><body>XML-RPC is unavailable for a planned outage.</body></html>")},
	{http.StatusNotFound, "text/plain", []byte("")},
}

var gone = outage{http.StatusGone, "application/json", []byte(`{"message":"XML-RPC has been retired"}`)}

// outageLocked is what an XML-RPC call meets instead of an answer; nil while the service is up.
func (s *Server) outageLocked(version int, now time.Time) *outage {
	if version != versionXMLRPC {
		return nil
	}
	switch mode := s.settings.xmlrpc; {
	case mode == "brownout":
		s.outages++
		return &brownouts[(s.outages-1)%len(brownouts)]
	case mode == "gone" || mode == "" && !now.Before(xmlrpcEnd):
		return &gone
	}
	return nil
}
