package keap

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// xmlSays answers as Keap's XML-RPC does: 200 and text/xml for responses and faults alike.
func xmlSays(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func respond(value string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><methodResponse><params><param><value>` + value + `</value></param></params></methodResponse>`
}

func faultBody(code int, text string) string {
	return fmt.Sprintf(`<?xml version="1.0"?><methodResponse><fault><value><struct><member><name>faultCode</name><value><i4>%d</i4></value></member>`+
		`<member><name>faultString</name><value>%s</value></member></struct></value></fault></methodResponse>`, code, text)
}

const ranActions = `<array><data><value><struct><member><name>Action</name><value>Apply Tag</value></member>
	<member><name>Message</name><value><string>Tag &amp; done</string></value></member><member><name>IsError</name><value><boolean>0</boolean></value></member></struct></value>
	<value><struct><member><name>Action</name><value>HTTP Post</value></member><member><name>Message</name><value/></member><member><name>IsError</name><value>true</value></member></struct></value></data></array>`

func TestRunActionSet(t *testing.T) {
	f, c := newFake(t, xmlSays(200, respond(ranActions)))
	got, err := c.RunActionSet(context.Background(), "12", "42")
	want := []ActionResult{{Action: "Apply Tag", Message: "Tag & done"}, {Action: "HTTP Post", Failed: true}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	r := f.requests()[0]
	call := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<methodCall><methodName>ContactService.runActionSequence</methodName><params>` +
		`<param><value><string></string></value></param><param><value><i4>12</i4></value></param><param><value><i4>42</i4></value></param></params></methodCall>`
	if r.method != "POST" || r.target != "/crm/xmlrpc/v1" || r.body != call || r.header.Get("Content-Type") != "text/xml" || r.header.Get("X-Keap-API-Key") != testKey {
		t.Errorf("%s %s %s\n%v", r.method, r.target, r.body, r.header)
	}
	for _, bad := range [][2]string{{"", "1"}, {"1", "x"}, {"1", "3000000000"}} {
		if _, err := c.RunActionSet(context.Background(), bad[0], bad[1]); KindOf(err) != KindInvalid {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// What an XML-RPC endpoint may answer, and what it means: issue of the brownouts of 2026.
func TestXMLRPCAnswers(t *testing.T) {
	quota := `{"code":"429","message":"Quota Exceeded","status":"Request Throttled","details":null}`
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		kind   Kind
		code   string
		says   string
	}{
		{"fault", xmlSays(200, faultBody(5, "[RecordNotFound]no contact")), KindFault, "5", "fault 5: [RecordNotFound]no contact"},
		{"fault as text", xmlSays(200, strings.Replace(faultBody(12, "x"), "<i4>12</i4>", "12", 1)), KindFault, "12", "fault 12"},
		{"fault of the credential", xmlSays(200, faultBody(2, "[InvalidKey]Invalid Access Token")), KindFault, "2", "fault 2"},
		{"fault of the arguments", xmlSays(200, faultBody(3, "No method matching arguments: java.lang.String")), KindFault, "3", "fault 3"},
		{"fault of the request", xmlSays(200, faultBody(0, "Failed to parse XML-RPC request: Premature end of file.")), KindFault, "0", "fault 0"},
		{"unknown method", xmlSays(200, faultBody(-32601, "No such handler")), KindFault, "-32601", "fault -32601"},
		{"fault of the server", xmlSays(200, faultBody(500, "Server encountered exception: java.lang.NullPointerException")), KindServer, "500", "fault 500"},
		{"fault of the database", xmlSays(200, faultBody(4, "[DatabaseError]Error")), KindServer, "4", "fault 4"},
		{"unexpected fault", xmlSays(200, faultBody(3, "[Unexpected]Error")), KindServer, "3", "fault 3"},
		{"unknown fault", xmlSays(200, faultBody(77, "x")), KindServer, "77", "fault 77"},
		{"too many threads", xmlSays(200, faultBody(500, "Server encountered exception: com.infusionsoft.throttle.ThrottlingException: Maximum number of threads throttled")), KindOverloaded, "500", "fault 500"},
		{"unauthorized", says(401, `{"fault":{"faultstring":"Invalid Access Token","detail":{"errorcode":"x.y"}}}`), KindDenied, "x.y", "credential"},
		{"forbidden", says(403, `<html>`), KindForbidden, "", "403"},
		{"throttled", says(429, quota), KindThrottled, "", "quota"},
		{"html 200", says(200, `<html><body>Service unavailable</body></html>`), KindBrownout, "", "answered 200"},
		{"empty 200", says(200, ``), KindBrownout, "", "answered 200"},
		{"json 200", says(200, `{"message":"sunset"}`), KindBrownout, "", "answered 200"},
		{"404", says(404, `{"message":"Not Found"}`), KindBrownout, "", "answered 404"},
		{"410", says(410, ``), KindBrownout, "", "answered 410"},
		{"503", says(503, `<html>`), KindBrownout, "", "answered 503"},
		{"500 with a fault", xmlSays(500, faultBody(500, "x")), KindServer, "500", "fault 500"},
		{"500 with a response", xmlSays(500, respond(ranActions)), KindBrownout, "", "answered 500"},
		{"302", says(302, ``), KindBrownout, "", "answered 302"},
		{"cut response", xmlSays(200, respond(ranActions)[:200]), KindUnreadable, "", "broken XML-RPC"},
		{"cut behind the value", xmlSays(200, strings.TrimSuffix(respond(ranActions), "</methodResponse>")), KindUnreadable, "", "broken XML-RPC"},
		{"no array", xmlSays(200, respond("<i4>1</i4>")), KindUnreadable, "", "something else"},
		{"no value", xmlSays(200, `<methodResponse></methodResponse>`), KindUnreadable, "", "broken XML-RPC"},
		{"another type", xmlSays(200, respond("<date>1</date>")), KindUnreadable, "", "broken XML-RPC"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, c := newFake(t, tc.answer)
			_, err := c.RunActionSet(context.Background(), "12", "42")
			e := asError(t, err)
			if e.Kind != tc.kind || e.Code != tc.code || !strings.Contains(e.Message, tc.says) || !e.Sent || !e.Answered || e.Operation != "action_sets.run" {
				t.Errorf("%+v", e)
			}
			if e.Hint == "" || strings.Contains(e.Error(), "0123456789") {
				t.Errorf("hint %q, message %q", e.Hint, e.Error())
			}
			if len(f.seen) == 0 {
				t.Error("nothing observed")
			}
		})
	}
}

func TestActionSets(t *testing.T) {
	row := func(n int) string {
		return fmt.Sprintf(`<value><struct><member><name>Id</name><value><i4>%d</i4></value></member><member><name>TemplateName</name><value>Set %d</value></member></struct></value>`, n, n)
	}
	pages := 0
	f, _ := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		first, last := pages*maxPage, min((pages+1)*maxPage, maxPage+1)
		for n := first; n < last; n++ {
			b.WriteString(row(n + 1))
		}
		pages++
		xmlSays(200, respond("<array><data>"+b.String()+"</data></array>"))(w, r)
	})
	extra := 0
	c, err := New(Options{BaseURL: f.URL + "/crm", Credential: mustKey(t, testKey, ""), Extra: func(context.Context) error { extra++; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	sets, err := c.ActionSets(context.Background())
	if err != nil || len(sets) != maxPage+1 || sets[maxPage] != (ActionSet{"1001", "Set 1001"}) || extra != 1 {
		t.Errorf("%d sets, %d extra requests, %v", len(sets), extra, err)
	}
	body := f.requests()[1].body
	for _, part := range []string{"<methodName>DataService.query</methodName>", "<string>ActionSequence</string>", "<i4>1000</i4>", "<param><value><i4>1</i4></value></param>",
		"<struct><member><name>Id</name><value><string>%</string></value></member></struct>", "<array><data><value><string>Id</string></value><value><string>TemplateName</string></value></data></array>"} {
		if !strings.Contains(body, part) {
			t.Errorf("%s lacks %s", body, part)
		}
	}
}

func TestXMLRPCTypes(t *testing.T) {
	for _, tc := range []struct {
		xml  string
		want any
	}{
		{`x &lt; y`, "x < y"}, {`<string> x </string>`, " x "}, {``, ""}, {`<i4>-7</i4>`, int64(-7)}, {`<int> 7 </int>`, int64(7)}, {`<boolean>1</boolean>`, true},
		{`<double>1.50</double>`, "1.50"}, {`<nil/>`, nil}, {"\n<string>x</string>\n", "x"},
		{`<dateTime.iso8601>20261127T100000</dateTime.iso8601>`, nil},
		{`<dateTime.iso8601>20261127T10:00:00</dateTime.iso8601>`, time.Date(2026, 11, 27, 15, 0, 0, 0, time.UTC)},
		{`<dateTime.iso8601>20260701T10:00:00</dateTime.iso8601>`, time.Date(2026, 7, 1, 14, 0, 0, 0, time.UTC)},
	} {
		v, _, err := decodeResponse([]byte(respond(tc.xml)))
		if at, ok := v.v.(time.Time); ok {
			v.v = at.UTC()
		}
		if tc.want == nil && tc.xml != `<nil/>` {
			if err == nil {
				t.Errorf("%s: %v", tc.xml, v.v)
			}
			continue
		}
		if err != nil || v.v != tc.want {
			t.Errorf("%s: %#v, %v", tc.xml, v.v, err)
		}
	}
	if _, _, err := decodeResponse([]byte(respond(strings.Repeat("<array><data><value>", 1000)))); err == nil {
		t.Error("no limit to nesting")
	}
}

func TestXMLRPCParameters(t *testing.T) {
	got, err := encodeCall("X.y", []any{"a<&>b", int64(-1), []string{"1"}, map[string]string{"Id": "%"}})
	want := `<methodCall><methodName>X.y</methodName><params><param><value><string>a&lt;&amp;&gt;b</string></value></param><param><value><i4>-1</i4></value></param>` +
		`<param><value><array><data><value><string>1</string></value></data></array></value></param>` +
		`<param><value><struct><member><name>Id</name><value><string>%</string></value></member></struct></value></param></params></methodCall>`
	if err != nil || !strings.HasSuffix(string(got), want) {
		t.Errorf("%s\n%v", got, err)
	}
	for _, bad := range []any{int64(1) << 40, 1.5, nil} {
		if _, err := encodeCall("X.y", []any{bad}); err == nil {
			t.Errorf("%v was written", bad)
		}
	}
}

func FuzzXMLRPC(f *testing.F) {
	f.Add(respond(ranActions))
	f.Add(faultBody(5, "[RecordNotFound]x"))
	f.Add(respond("<struct><member><name>a</name><value><nil/></value></member></struct>"))
	f.Add("<methodResponse><params><param><value><array><data><value>1</value>")
	f.Add("<html></html>")
	f.Fuzz(func(t *testing.T, body string) {
		v, fault, err := decodeResponse([]byte(body))
		if err != nil && (fault != nil || v.v != nil) {
			t.Errorf("an error and a value: %v, %v, %v", v, fault, err)
		}
		if err == nil && !strings.Contains(body, "methodResponse") {
			t.Errorf("taken for XML-RPC: %q", body)
		}
	})
}
