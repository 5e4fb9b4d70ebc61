package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bridge/internal/events"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// pages are the templates, each together with the frame that all share.
type pages struct {
	byName map[string]*template.Template
	assets http.Handler
	stamp  string // changes with the assets, so that browsers may keep them for ever
}

func loadPages() *pages {
	p := &pages{byName: map[string]*template.Template{}, assets: http.FileServerFS(staticFiles)}
	sum := sha256.New()
	for _, name := range []string{"static/console.css", "static/console.js"} {
		body, err := staticFiles.ReadFile(name)
		if err != nil {
			panic(err) // the file is part of the program
		}
		sum.Write(body)
	}
	p.stamp = hex.EncodeToString(sum.Sum(nil)[:6])
	frame := template.Must(template.New("frame").Funcs(pageFuncs()).ParseFS(templateFiles, "templates/frame.html", "templates/parts.html"))
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		panic(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".html")
		if name == "frame" || name == "parts" {
			continue
		}
		p.byName[name] = template.Must(template.Must(frame.Clone()).ParseFS(templateFiles, "templates/"+f.Name()))
	}
	return p
}

// static serves the style and the script.
func (p *pages) static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("v") == p.stamp {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		p.assets.ServeHTTP(w, r)
	})
}

// view is what every page gets.
type view struct {
	Title   string
	Section string // of the navigation
	Who     identity
	Role    string
	Login   bool // whether people log in here, and so can log out
	CSRF    string
	Version string
	Stamp   string
	Notice  string
	Needs   int // failed and in-doubt events
	Live    bool
	Now     time.Time
	Body    any
}

// When prints a time relative to the page's own.
func (v view) When(t any) template.HTML { return when(t, v.Now) }

// Clock prints a time of day.
func (v view) Clock(t time.Time) string { return clock(t, v.Now) }

// notices are what a page can say after a change: fixed texts, so that no link can put words in its mouth.
var notices = map[string]string{
	"paused": "The account is paused. Its events wait.", "resumed": "The account goes on.",
	"answered": "The answer is taken; the event goes on.", "sent": "The test event was sent.",
	"erased": "The person's data was erased. Backups are not changed.",
}

// render writes a page.
func (c *Console) render(w http.ResponseWriter, r *http.Request, who identity, status int, name string, v view) error {
	v.Who, v.CSRF, v.Role, v.Login = who, who.csrf, who.role.String(), !c.open() && who.role > Nobody
	v.Version, v.Stamp, v.Now = c.Version, c.pages.stamp, time.Now().UTC()
	v.Notice = notices[r.URL.Query().Get("notice")]
	if who.role >= Viewer {
		tallies, err := c.Desk.Index.Tallies(r.Context())
		if err != nil && status < http.StatusInternalServerError {
			return err
		}
		for _, t := range tallies {
			if t.State == events.Failed || t.State == events.InDoubt {
				v.Needs += t.Events
			}
		}
	}
	var page bytes.Buffer
	if err := c.pages.byName[name].ExecuteTemplate(&page, "frame", v); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(page.Bytes())
	return err
}

// refusePage answers an error to people. Who is not logged in is sent to do so.
func (c *Console) refusePage(w http.ResponseWriter, r *http.Request, who identity, p problem) {
	if p.Status == http.StatusUnauthorized {
		to := "/login"
		if r.Method == http.MethodGet && r.URL.Path != "/" {
			to += "?to=" + url.QueryEscape(r.URL.RequestURI())
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	err := c.render(w, r, who, p.Status, "problem", view{Title: p.Title, Body: p})
	if err != nil {
		c.Log.Error("console page failed", "path", r.URL.Path, "cause", err)
		plain(w, p.Status, p.Detail+"\n")
	}
}
