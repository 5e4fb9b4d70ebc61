package keap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"testing"
)

// collect drains an iterator.
func collect[T any](seq iter.Seq2[T, error]) (all []T, err error) {
	for item, e := range seq {
		if e != nil {
			return all, e
		}
		all = append(all, item)
	}
	return all, nil
}

func TestListsOfV2(t *testing.T) {
	ctx := context.Background()
	lists := map[string]func(c *Client, p Permit) (string, error){
		"/crm/rest/v2/users?page_size=100":             func(c *Client, p Permit) (string, error) { return show(collect(c.Users(ctx, p))) },
		"/crm/rest/v2/automations?page_size=25":        func(c *Client, p Permit) (string, error) { return show(collect(c.Automations(ctx, p))) },
		"/crm/rest/v2/campaigns?page_size=1000":        func(c *Client, p Permit) (string, error) { return show(collect(c.Campaigns(ctx, p))) },
		"/crm/rest/v2/emails/templates?page_size=1000": func(c *Client, p Permit) (string, error) { return show(collect(c.EmailTemplates(ctx, p))) },
		"/crm/rest/v2/tags/categories?page_size=1000":  func(c *Client, p Permit) (string, error) { return show(collect(c.TagCategories(ctx, p))) },
	}
	for target, list := range lists {
		f, c := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			item := func(n int) string {
				return fmt.Sprintf(`{"id":"%d","name":"n%d","title":"n%d","piece_title":"n%d","given_name":"n%d","status":"PUBLISHED","subject":"s","email_addresses":[{"email":"u@example.com"}]}`, n, n, n, n, n)
			}
			page := func(items, next string) {
				array := map[string]string{"/crm/rest/v2/emails/templates": "email_templates", "/crm/rest/v2/tags/categories": "tag_categories"}[r.URL.Path]
				if array == "" {
					array = r.URL.Path[len("/crm/rest/v2/"):]
				}
				says(200, fmt.Sprintf(`{%q:[%s],"next_page_token":%q}`, array, items, next))(w, r)
			}
			switch r.URL.Query().Get("page_token") {
			case "":
				page(item(1)+","+item(2), "a")
			case "a": // as an address, which has been seen too
				page(item(3), "https://api.infusionsoft.com/crm/rest/v2/x?page_size=1000&page_token=b%3D")
			default:
				page(item(4), "")
			}
		})
		permits := 0
		got, err := list(c, func(context.Context) error { permits++; return nil })
		if err != nil || permits != 3 || got != "4" {
			t.Errorf("%s: %s items, %d permits, %v", target, got, permits, err)
		}
		r := f.requests()
		if r[0].target != target || r[1].target != withToken(target, "a") || r[2].target != withToken(target, "b%3D") {
			t.Errorf("%s: asked %s, %s, %s", target, r[0].target, r[1].target, r[2].target)
		}
		permits = 0
		got, err = list(c, func(context.Context) error {
			if permits++; permits == 2 {
				return errors.New("no permit")
			}
			return nil
		})
		if err == nil || got != "2" {
			t.Errorf("%s: %s items, %v", target, got, err)
		}
	}
}

func show[T any](all []T, err error) (string, error) { return strconv.Itoa(len(all)), err }

func withToken(target, token string) string { return target + "&page_token=" + token }

func TestEndlessPagesEnd(t *testing.T) {
	f, c := newFake(t, says(200, `{"users":[{"id":"1"}],"next_page_token":"x"}`))
	if all, err := collect(c.Users(context.Background(), nil)); err != nil || len(all) != 2 || len(f.requests()) != 2 {
		t.Errorf("%d users, %d requests, %v", len(all), len(f.requests()), err)
	}
	f, c = newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("offset") == "2" {
			says(200, `{"tags":[],"count":9,"next":"https://x"}`)(w, r)
			return
		}
		says(200, `{"tags":[{"id":1},{"id":2}],"count":9,"next":"https://x"}`)(w, r)
	})
	if all, err := collect(c.Tags(context.Background(), nil)); err != nil || len(all) != 2 || len(f.requests()) != 2 {
		t.Errorf("%d tags, %d requests, %v", len(all), len(f.requests()), err)
	}
}

func TestTagsGoByTheCount(t *testing.T) {
	f, c := newFake(t, says(200, `{"tags":[{"id":1},{"id":2}],"count":4}`))
	all, err := collect(c.Tags(context.Background(), func(context.Context) error { return nil }))
	if err != nil || len(all) != 4 || len(f.requests()) != 2 || f.requests()[1].target != "/crm/rest/v1/tags?limit=1000&offset=2" {
		t.Errorf("%d tags, %v, %v", len(all), f.requests(), err)
	}
}

func TestListsStopWhenAsked(t *testing.T) {
	f, c := newFake(t, says(200, `{"users":[{"id":"1"},{"id":"2"}],"next_page_token":"x"}`))
	for range c.Users(context.Background(), nil) {
		break
	}
	for range c.Tags(context.Background(), nil) {
		break
	}
	if len(f.requests()) != 2 {
		t.Errorf("%d requests", len(f.requests()))
	}
}

func TestListsFail(t *testing.T) {
	for _, body := range []string{`{"users":{}}`, `{"users":[],"next_page_token":7}`, `[]`, `{"users":[`} {
		_, c := newFake(t, says(200, body))
		if _, err := collect(c.Users(context.Background(), nil)); KindOf(err) != KindUnreadable {
			t.Errorf("%s: %v", body, err)
		}
	}
}
