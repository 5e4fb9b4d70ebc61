package sandbox

import (
	"net/url"
	"strings"
)

// API versions besides 1 and 2.
const (
	versionNone   = 0
	versionXMLRPC = 3
)

type handler func(*tenant, *call) reply

// route is one operation. In its pattern {} stands for one segment, also before a verb: "{}:addContacts".
type route struct {
	method, pattern string
	operation       string
	handle          handler
}

// routesOf are the routes of one API version by method and number of segments.
type routesOf map[string]map[int][]compiled

type compiled struct {
	route
	segments []string
}

var restV1, restV2 = compile(v1Routes), compile(v2Routes)

func compile(routes []route) routesOf {
	out := routesOf{}
	for _, r := range routes {
		c := compiled{r, strings.Split(r.pattern, "/")}
		if out[r.method] == nil {
			out[r.method] = map[int][]compiled{}
		}
		out[r.method][len(c.segments)] = append(out[r.method][len(c.segments)], c)
	}
	return out
}

// match finds the operation of an escaped path; segments are unescaped one by one, so that %3A is a colon of a
// verb and %2F is no separator. A known version without operation gives a route without handler.
func match(method, path string) (version int, r route, args []string) {
	var table routesOf
	rest, ok := strings.CutPrefix(path, "/crm/rest/")
	if !ok {
		if p := strings.TrimRight(path, "/"); p == "/crm/xmlrpc/v1" || p == "/crm/xmlrpc" {
			return versionXMLRPC, route{operation: "xmlrpc"}, nil
		}
		return versionNone, route{}, nil
	}
	switch {
	case strings.HasPrefix(rest, "v1/"):
		version, table = 1, restV1
	case strings.HasPrefix(rest, "v2/"):
		version, table = 2, restV2
	default:
		return versionNone, route{}, nil
	}
	segments := strings.Split(strings.Trim(rest[3:], "/"), "/")
	for i, s := range segments {
		if u, err := url.PathUnescape(s); err == nil {
			segments[i] = u
		}
	}
	for _, c := range table[method][len(segments)] {
		if args, ok := c.match(segments); ok {
			return version, c.route, args
		}
	}
	return version, route{}, nil
}

func (c compiled) match(segments []string) (args []string, ok bool) {
	for i, want := range c.segments {
		rest, variable := strings.CutPrefix(want, "{}")
		if !variable {
			if want != segments[i] {
				return nil, false
			}
			continue
		}
		arg, found := strings.CutSuffix(segments[i], rest)
		if !found || arg == "" {
			return nil, false
		}
		args = append(args, arg)
	}
	return args, true
}
