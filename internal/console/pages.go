package console

import (
	"net/http"
	"strings"
)

var pageRoutes = []route{}

type pages struct{}

func loadPages() *pages { return &pages{} }

func (p *pages) static() http.Handler { return http.NotFoundHandler() }

// unknown answers what no route is for: 405 where another method is, else 404.
func (c *Console) unknown(w http.ResponseWriter, r *http.Request, _ identity) error {
	var allowed []string
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := c.mux.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return &refusal{status: http.StatusMethodNotAllowed, detail: "allowed here: " + strings.Join(allowed, ", ")}
	}
	return &refusal{status: http.StatusNotFound, detail: "there is nothing here"}
}

func (c *Console) refusePage(w *recorder, r *http.Request, who identity, p problem) {
	w.WriteHeader(p.Status)
}
