package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// control serves /sandbox/…: it is never counted and never spoilt.
func (s *Server) control(req *request, path string) answer {
	name := strings.TrimPrefix(strings.TrimPrefix(path, "/sandbox"), "/")
	app := req.query.Get("app")
	switch req.method + " " + name {
	case "GET state":
		return controlJSON(s.State(app))
	case "GET calls":
		return controlJSON(s.Calls(app))
	case "GET log":
		return s.controlLog(req, app)
	case "POST settings":
		return controlled(req, s.SetSettings)
	case "POST faults":
		return controlled(req, s.SetFaults)
	case "POST elsewhere":
		return controlled(req, func(e Elsewhere) error {
			if e.App == "" {
				e.App = app
			}
			return s.Elsewhere(e)
		})
	case "POST seed":
		data, err := decodeSeed(req.body)
		if err == nil {
			data.App = cmp.Or(data.App, app)
			err = s.Seed(data)
		}
		if err != nil {
			return controlError(http.StatusBadRequest, err.Error())
		}
		return controlJSON(struct{}{})
	case "POST reset":
		s.Reset()
		return controlJSON(struct{}{})
	case "POST deliver":
		return controlJSON(map[string]int{"delivered": s.DeliverHooks(req.ctx)})
	case "GET ":
		return answer{status: http.StatusOK, kind: "text/plain; charset=utf-8", body: []byte(about)}
	}
	return controlError(http.StatusNotFound, "no such control: "+req.method+" "+path)
}

const about = `This is a simulator of Keap's API. Nothing here is real and nothing is kept.

GET  /sandbox/state      what the CRM holds (?app=)
GET  /sandbox/calls      how often what was called, and how close to the quota (?app=)
GET  /sandbox/log        every call as JSON Lines (?app=, ?since= a time or a number)
POST /sandbox/settings   quota, latency, headers, keys, clock, xmlrpc
POST /sandbox/faults     what goes wrong
POST /sandbox/elsewhere  another integration spends quota
POST /sandbox/seed       contacts, tags, action sets …
POST /sandbox/deliver    send the REST hooks that are due
POST /sandbox/reset      forget everything
`

// controlled reads the body for a setter and answers {}, or 400 with its error.
func controlled[T any](req *request, set func(T) error) answer {
	var in T
	if err := decodeControl(req.body, &in); err != nil {
		return controlError(http.StatusBadRequest, err.Error())
	}
	if err := set(in); err != nil {
		return controlError(http.StatusBadRequest, err.Error())
	}
	return controlJSON(struct{}{})
}

func controlJSON(v any) answer {
	b, err := json.Marshal(v)
	if err != nil {
		return controlError(http.StatusInternalServerError, err.Error())
	}
	return answer{status: http.StatusOK, kind: "application/json", body: b}
}

func controlError(status int, message string) answer {
	a := controlJSON(map[string]string{"error": message})
	a.status = status
	return a
}

// controlLog answers the lines after ?since=: a time, or the n of the last line seen.
func (s *Server) controlLog(req *request, app string) answer {
	var after time.Time
	var n uint64
	if since := req.query.Get("since"); since != "" {
		var err error
		if n, err = strconv.ParseUint(since, 10, 64); err != nil {
			if after, err = parseInstant(since); err != nil {
				return controlError(http.StatusBadRequest, "since: "+err.Error())
			}
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, l := range s.Log(app, after, n) {
		if err := enc.Encode(l); err != nil {
			return controlError(http.StatusInternalServerError, err.Error())
		}
	}
	return answer{status: http.StatusOK, kind: "application/jsonl", body: b.Bytes()}
}
