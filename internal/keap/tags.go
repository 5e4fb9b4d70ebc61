package keap

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Tag is a tag; CategoryName is known where v1 told.
type Tag struct {
	ID           string
	Name         string
	Description  string
	CategoryID   string
	CategoryName string
}

// TagCategory groups tags.
type TagCategory struct{ ID, Name, Description string }

// TagResult is what Keap says of one tag on one contact.
type TagResult string

// The results. TagUnanswered: Keap's answer did not mention the item.
const (
	TagSuccess         TagResult = "SUCCESS"
	TagDuplicate       TagResult = "DUPLICATE" // it was there already
	TagContactNotFound TagResult = "CONTACT_NOT_FOUND"
	TagIDNotFound      TagResult = "TAG_ID_NOT_FOUND"
	TagFailure         TagResult = "FAILURE"
	TagNoPermission    TagResult = "NO_PERMISSION"
	TagUnanswered      TagResult = "UNANSWERED"
)

// OK tells whether the contact has the tag now.
func (r TagResult) OK() bool { return r == TagSuccess || r == TagDuplicate }

// ApplyTags gives one contact many tags (v1; v2 has no such operation). The map holds a result for every tag id
// that was asked for. Safe to repeat. Keap answers 200 even if every tag failed.
func (c *Client) ApplyTags(ctx context.Context, contactID string, tagIDs []string) (map[string]TagResult, error) {
	const operation = "tags.apply"
	at, err := segment(operation, "contact_id", contactID)
	if err != nil {
		return nil, err
	}
	ids, err := numbers(operation, "tagIds", tagIDs)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	r := request{operation: operation, method: http.MethodPost, path: "/rest/v1/contacts/" + at + "/tags", body: map[string]any{"tagIds": ids}}
	a, err := c.do(ctx, r, &raw)
	if err != nil {
		return nil, err
	}
	return tagResults(a, operation, raw, tagIDs)
}

// RemoveTags takes many tags from one contact (v1). Tags that it does not have are no error. Safe to repeat.
func (c *Client) RemoveTags(ctx context.Context, contactID string, tagIDs []string) error {
	const operation = "tags.remove"
	at, err := segment(operation, "contact_id", contactID)
	if err != nil {
		return err
	}
	if _, err := numbers(operation, "ids", tagIDs); err != nil {
		return err
	}
	r := request{operation: operation, method: http.MethodDelete, path: "/rest/v1/contacts/" + at + "/tags", query: url.Values{"ids": {strings.Join(tagIDs, ",")}}}
	_, err = c.do(ctx, r, nil)
	return err
}

// ApplyTag gives many contacts one tag (v2). The map holds a result for every contact id that was asked for.
// Safe to repeat.
func (c *Client) ApplyTag(ctx context.Context, tagID string, contactIDs []string) (map[string]TagResult, error) {
	const operation = "tags.apply"
	r, err := tagColumn(operation, "applyTags", tagID, contactIDs)
	if err != nil {
		return nil, err
	}
	var out struct {
		Results json.RawMessage `json:"results"`
	}
	a, err := c.do(ctx, r, &out)
	if err != nil {
		return nil, err
	}
	return tagResults(a, operation, out.Results, contactIDs)
}

// RemoveTag takes one tag from many contacts (v2). Keap gives no result per contact. Safe to repeat.
func (c *Client) RemoveTag(ctx context.Context, tagID string, contactIDs []string) error {
	r, err := tagColumn("tags.remove", "removeTags", tagID, contactIDs)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, r, nil)
	return err
}

func tagColumn(operation, verb, tagID string, contactIDs []string) (request, error) {
	at, err := segment(operation, "tag_id", tagID)
	if err != nil {
		return request{}, err
	}
	if len(contactIDs) == 0 {
		return request{}, invalid(operation, "contact_ids", "is empty")
	}
	return request{
		operation: operation, method: http.MethodPost, path: "/rest/v2/tags/" + at + "/contacts:" + verb,
		body: map[string]any{"contact_ids": contactIDs},
	}, nil
}

func tagResults(a *answer, operation string, raw json.RawMessage, ids []string) (map[string]TagResult, error) {
	results, err := rowResults(raw, ids)
	if err != nil {
		return nil, a.unreadable(operation, "results of an unknown shape", err)
	}
	out := make(map[string]TagResult, len(ids))
	for _, id := range ids {
		out[id] = TagUnanswered
		if said, ok := results[id]; ok {
			out[id] = TagResult(said)
		}
	}
	return out, nil
}

// v1Tag is a tag with its category, as v1 lists them.
type v1Tag struct {
	ID          id     `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Category    *struct {
		ID   id     `json:"id"`
		Name string `json:"name"`
	} `json:"category"`
}

func (t *v1Tag) tag() Tag {
	out := Tag{ID: string(t.ID), Name: t.Name, Description: t.Description}
	if t.Category != nil {
		out.CategoryID, out.CategoryName = string(t.Category.ID), t.Category.Name
	}
	return out
}

// maxPage is the largest page of v1 and most of v2.
const maxPage = 1000

func (c *Client) v1Tags(ctx context.Context, name string, offset int) ([]Tag, int, error) {
	query := url.Values{"limit": {strconv.Itoa(maxPage)}}
	if name != "" {
		query.Set("name", name)
	}
	if offset > 0 {
		query.Set("offset", strconv.Itoa(offset))
	}
	var page struct {
		Tags  []v1Tag `json:"tags"`
		Count int     `json:"count"`
	}
	if _, err := c.do(ctx, request{operation: "tags.list", method: http.MethodGet, path: "/rest/v1/tags", query: query}, &page); err != nil {
		return nil, 0, err
	}
	tags := make([]Tag, len(page.Tags))
	for i := range page.Tags {
		tags[i] = page.Tags[i].tag()
	}
	return tags, page.Count, nil
}

// FindTags returns the tags of that name, whatever their case. It asks v1: v2's filter has no way to quote the
// commas and semicolons that names of tags hold, and does not tell the name of a category.
func (c *Client) FindTags(ctx context.Context, name string) ([]Tag, error) {
	if strings.TrimSpace(name) == "" {
		return nil, invalid("tags.list", "name", "is empty")
	}
	all, _, err := c.v1Tags(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	var tags []Tag
	for _, t := range all {
		if strings.EqualFold(strings.TrimSpace(t.Name), strings.TrimSpace(name)) {
			tags = append(tags, t)
		}
	}
	return tags, nil
}

// Tags goes through all tags, 1,000 a request.
func (c *Client) Tags(ctx context.Context, permit Permit) iter.Seq2[Tag, error] {
	return func(yield func(Tag, error) bool) {
		for seen := 0; ; {
			if err := permit.ask(ctx); err != nil {
				yield(Tag{}, err)
				return
			}
			tags, count, err := c.v1Tags(ctx, "", seen)
			if err != nil {
				yield(Tag{}, err)
				return
			}
			for _, t := range tags {
				if !yield(t, nil) {
					return
				}
			}
			// v1's next link may lead on for ever; the count and an empty page do not.
			seen += len(tags)
			if len(tags) == 0 || seen >= count {
				return
			}
		}
	}
}

// CreateTag makes a tag; categoryID may be empty. Repeating it may make a second tag of that name.
func (c *Client) CreateTag(ctx context.Context, name, categoryID string) (Tag, error) {
	const operation = "tags.create"
	if strings.TrimSpace(name) == "" {
		return Tag{}, invalid(operation, "name", "is empty")
	}
	if err := tooLong(operation, "name", name, maxTagName); err != nil {
		return Tag{}, err
	}
	body := map[string]any{"name": name}
	if categoryID != "" {
		body["category"] = map[string]string{"id": categoryID}
	}
	var got v1Tag
	a, err := c.do(ctx, request{operation: operation, method: http.MethodPost, path: "/rest/v2/tags", body: body}, &got)
	if err != nil {
		return Tag{}, err
	}
	if got.ID == "" {
		return Tag{}, a.unreadable(operation, "a tag without id", nil)
	}
	return got.tag(), nil
}

// TagCategories goes through all categories.
func (c *Client) TagCategories(ctx context.Context, permit Permit) iter.Seq2[TagCategory, error] {
	l := listing{operation: "tags.categories.list", path: "/rest/v2/tags/categories", size: "1000", array: "tag_categories"}
	return mapped(v2Pages[v1Tag](ctx, c, l, permit), func(t v1Tag) TagCategory {
		return TagCategory{ID: string(t.ID), Name: t.Name, Description: t.Description}
	})
}

// CreateTagCategory makes a category.
func (c *Client) CreateTagCategory(ctx context.Context, name string) (TagCategory, error) {
	const operation = "tags.categories.create"
	var got v1Tag
	a, err := c.do(ctx, request{operation: operation, method: http.MethodPost, path: "/rest/v2/tags/categories", body: map[string]string{"name": name}}, &got)
	if err != nil {
		return TagCategory{}, err
	}
	if got.ID == "" {
		return TagCategory{}, a.unreadable(operation, "a category without id", nil)
	}
	return TagCategory{ID: string(got.ID), Name: got.Name, Description: got.Description}, nil
}

// ContactTags returns the tags of a contact, up to 1,000. Safe to repeat.
func (c *Client) ContactTags(ctx context.Context, contactID string) ([]Tag, error) {
	const operation = "contacts.tags"
	at, err := segment(operation, "contact_id", contactID)
	if err != nil {
		return nil, err
	}
	l := listing{operation: operation, path: "/rest/v2/contacts/" + at + "/tags", array: "tags"}
	applied, _, err := v2Page[struct {
		Tag v1Tag `json:"tag"`
	}](ctx, c, l, largestPage())
	if err != nil {
		return nil, err
	}
	tags := make([]Tag, len(applied))
	for i := range applied {
		tags[i] = applied[i].Tag.tag()
	}
	return tags, nil
}
