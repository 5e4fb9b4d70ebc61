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
	ids, err := numbers(operation, "tagIds", tagIDs)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	a, err := c.do(ctx, post(operation, "/rest/v1/contacts/{contact_id}/tags", fields{"tagIds": ids}, contactID), &raw)
	if err != nil {
		return nil, err
	}
	return tagResults(a, operation, raw, tagIDs)
}

// RemoveTags takes many tags from one contact (v1). Tags that it does not have are no error. Safe to repeat.
func (c *Client) RemoveTags(ctx context.Context, contactID string, tagIDs []string) error {
	const operation = "tags.remove"
	if _, err := numbers(operation, "ids", tagIDs); err != nil {
		return err
	}
	r := request{operation: operation, method: http.MethodDelete, path: "/rest/v1/contacts/{contact_id}/tags", at: []string{contactID}}
	_, err := c.do(ctx, r.with(url.Values{"ids": {strings.Join(tagIDs, ",")}}), nil)
	return err
}

// ApplyTag gives many contacts one tag (v2). The map holds a result for every contact id that was asked for.
// Safe to repeat.
func (c *Client) ApplyTag(ctx context.Context, tagID string, contactIDs []string) (map[string]TagResult, error) {
	const operation = "tags.apply"
	body, err := contactIDsBody(operation, contactIDs)
	if err != nil {
		return nil, err
	}
	var out struct {
		Results json.RawMessage `json:"results"`
	}
	a, err := c.do(ctx, post(operation, "/rest/v2/tags/{tag_id}/contacts:applyTags", body, tagID), &out)
	if err != nil {
		return nil, err
	}
	return tagResults(a, operation, out.Results, contactIDs)
}

// RemoveTag takes one tag from many contacts (v2). Keap gives no result per contact. Safe to repeat.
func (c *Client) RemoveTag(ctx context.Context, tagID string, contactIDs []string) error {
	const operation = "tags.remove"
	body, err := contactIDsBody(operation, contactIDs)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, post(operation, "/rest/v2/tags/{tag_id}/contacts:removeTags", body, tagID), nil)
	return err
}

// contactIDsBody is the body of v2's columns: one thing for many contacts.
func contactIDsBody(operation string, contactIDs []string) (fields, error) {
	if len(contactIDs) == 0 {
		return nil, invalid(operation, "contact_ids", "is empty")
	}
	return fields{"contact_ids": contactIDs}, nil
}

func tagResults(a *answer, operation string, raw json.RawMessage, ids []string) (map[string]TagResult, error) {
	said, err := rowResults(raw, ids)
	if err != nil {
		return nil, a.unreadable(operation, "results of an unknown shape", err)
	}
	return answered(said, ids, TagUnanswered), nil
}

// tagWire is a tag or a category in both versions; v1 tells the category's name too.
type tagWire struct {
	made
	Name        string `json:"name"`
	Description string `json:"description"`
	Category    struct {
		made
		Name string `json:"name"`
	} `json:"category"`
}

func (t *tagWire) tag() Tag {
	return Tag{ID: string(t.ID), Name: t.Name, Description: t.Description, CategoryID: string(t.Category.ID), CategoryName: t.Category.Name}
}

func (t *tagWire) category() TagCategory {
	return TagCategory{ID: string(t.ID), Name: t.Name, Description: t.Description}
}

func (c *Client) v1Tags(ctx context.Context, name string, offset int) ([]Tag, int, error) {
	query := url.Values{"limit": {strconv.Itoa(maxPage)}}
	if name != "" {
		query.Set("name", name)
	}
	if offset > 0 {
		query.Set("offset", strconv.Itoa(offset))
	}
	var page struct {
		Tags  []tagWire `json:"tags"`
		Count int       `json:"count"`
	}
	if _, err := c.do(ctx, get("tags.list", "/rest/v1/tags").with(query), &page); err != nil {
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
	if err := required("tags.list", "name", name); err != nil {
		return nil, err
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
	if err := required(operation, "name", name); err != nil {
		return Tag{}, err
	}
	if err := tooLong(operation, "name", name, maxTagName); err != nil {
		return Tag{}, err
	}
	body := fields{"name": name}
	if categoryID != "" {
		body["category"] = fields{"id": categoryID}
	}
	var got tagWire
	if _, err := c.do(ctx, post(operation, "/rest/v2/tags", body), &got); err != nil {
		return Tag{}, err
	}
	return got.tag(), nil
}

// TagCategories goes through all categories.
func (c *Client) TagCategories(ctx context.Context, permit Permit) iter.Seq2[TagCategory, error] {
	return v2Pages(ctx, c, get("tags.categories.list", "/rest/v2/tags/categories"), "tag_categories", maxPage, permit, (*tagWire).category)
}

// CreateTagCategory makes a category.
func (c *Client) CreateTagCategory(ctx context.Context, name string) (TagCategory, error) {
	var got tagWire
	if _, err := c.do(ctx, post("tags.categories.create", "/rest/v2/tags/categories", fields{"name": name}), &got); err != nil {
		return TagCategory{}, err
	}
	return got.category(), nil
}

// ContactTags returns the tags of a contact, up to 1,000. Safe to repeat.
func (c *Client) ContactTags(ctx context.Context, contactID string) ([]Tag, error) {
	type applied struct {
		Tag tagWire `json:"tag"`
	}
	r := get("contacts.tags", "/rest/v2/contacts/{contact_id}/tags", contactID)
	return v2List(ctx, c, r, "tags", func(w *applied) Tag { return w.Tag.tag() })
}
