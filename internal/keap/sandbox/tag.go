package sandbox

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

type tag struct {
	name, description string
	category          ref
	created, updated  time.Time
}

type category struct {
	name, description string
	created, updated  time.Time
}

// v1Tag and v2Tag are a tag in the words of the two versions; the category of v2 is a reference only.
type v1Tag struct {
	ID          ref         `json:"id"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Category    *v1Category `json:"category,omitempty"`
}

type v1Category struct {
	ID          ref    `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

type v2Tag struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description,omitempty"`
	Category    *v2CategoryRef `json:"category,omitempty"`
	Created     string         `json:"create_time"`
	Updated     string         `json:"update_time"`
}

type v2CategoryRef struct {
	ID string `json:"id"`
}

func (t *tenant) tag1(id ref, x *tag) v1Tag {
	out := v1Tag{ID: id, Name: x.name, Description: x.description}
	if g, ok := t.categories.get(x.category); ok {
		out.Category = &v1Category{x.category, g.name, g.description}
	}
	return out
}

func (t *tenant) tag2(id ref, x *tag) v2Tag {
	out := v2Tag{ID: id.String(), Name: x.name, Description: x.description, Created: stamp(x.created), Updated: stamp(x.updated)}
	if x.category != 0 {
		out.Category = &v2CategoryRef{x.category.String()}
	}
	return out
}

// addTag makes a tag. Keap cuts names after 255 characters without a word. That it refuses a second tag of the
// same name is documented nowhere: it does not here.
func (t *tenant) addTag(want ref, x tag) ref {
	for utf8.RuneCountInString(x.name) > 255 {
		_, size := utf8.DecodeLastRuneInString(x.name)
		x.name = x.name[:len(x.name)-size]
	}
	id := t.tags.put(want, &x)
	key := strings.ToLower(x.name)
	t.tagNames[key] = append(t.tagNames[key], &x)
	return id
}

// tagNamed finds the first tag of a name, whatever its case.
func (t *tenant) tagNamed(name string) (ref, bool) {
	if len(t.tagNames[strings.ToLower(name)]) == 0 {
		return 0, false
	}
	for _, e := range t.tags.rows {
		if strings.EqualFold(e.row.name, name) {
			return e.id, true
		}
	}
	return 0, false
}

func createTag(t *tenant, c *call) reply {
	var in struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Category    *struct {
			ID ref `json:"id"`
		} `json:"category"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.Name == "" {
		return c.bad("name is required")
	}
	x := tag{name: in.Name, description: in.Description, created: c.now, updated: c.now}
	if in.Category != nil {
		if _, ok := t.categories.get(in.Category.ID); !ok {
			return c.bad("Category " + in.Category.ID.String() + " not found")
		}
		x.category = in.Category.ID
	}
	id := t.addTag(0, x)
	c.about("tag", id)
	row, _ := t.tags.get(id)
	if c.version == 2 {
		return created(t.tag2(id, row))
	}
	return ok(t.tag1(id, row))
}

func createCategory(t *tenant, c *call) reply {
	var in struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.Name == "" {
		return c.bad("name is required")
	}
	x := category{in.Name, in.Description, c.now, c.now}
	id := t.categories.put(0, &x)
	if c.version == 2 {
		return created(category2(id, &x))
	}
	return ok(v1Category{id, x.name, x.description})
}

type v2Category struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Created     string `json:"create_time"`
	Updated     string `json:"update_time"`
}

func category2(id ref, x *category) v2Category {
	return v2Category{id.String(), x.name, x.description, stamp(x.created), stamp(x.updated)}
}

func listCategories(t *tenant, c *call) reply {
	filter, err := c.filter("name", "description")
	if err != nil {
		return c.bad(err.Error())
	}
	rows := pick(&t.categories, func(_ ref, x *category) bool {
		return !slices.ContainsFunc(filter, func(f condition) bool {
			return !f.text(map[string]string{"name": x.name, "description": x.description}[f.name])
		})
	}, category2)
	return reply2(c, "tag_categories", rows)
}

func getTag(t *tenant, c *call) reply {
	id := c.id(0)
	x, found := t.tags.get(id)
	if !found {
		return c.notFound("Tag", c.args[0])
	}
	c.about("tag", id)
	if c.version == 2 {
		return ok(t.tag2(id, x))
	}
	return ok(t.tag1(id, x))
}

// patchTag2 changes what is given, or what update_mask names of it.
func patchTag2(t *tenant, c *call) reply {
	x, found := t.tags.get(c.id(0))
	if !found {
		return c.notFound("Tag", c.args[0])
	}
	var in struct {
		Name        *string        `json:"name"`
		Description *string        `json:"description"`
		Category    *v2CategoryRef `json:"category"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	mask := list(c.query, "update_mask")
	masked := func(name string) bool { return len(mask) > 0 && !slices.Contains(mask, name) }
	if in.Name != nil && !masked("name") {
		if *in.Name == "" {
			return c.bad("name is required")
		}
		t.renameTag(x, *in.Name)
	}
	if in.Description != nil && !masked("description") {
		x.description = *in.Description
	}
	if in.Category != nil && !masked("category") {
		x.category = parseRef(in.Category.ID)
	}
	x.updated = c.now
	c.about("tag", c.id(0))
	t.happened(c, "contactGroup.edit", c.id(0))
	return ok(t.tag2(c.id(0), x))
}

func (t *tenant) renameTag(x *tag, name string) {
	t.forgetName(x)
	x.name = name
	key := strings.ToLower(name)
	t.tagNames[key] = append(t.tagNames[key], x)
}

func (t *tenant) forgetName(x *tag) {
	key := strings.ToLower(x.name)
	t.tagNames[key] = slices.DeleteFunc(t.tagNames[key], func(o *tag) bool { return o == x })
}

func deleteTag(t *tenant, c *call) reply {
	id := c.id(0)
	x, found := t.tags.get(id)
	if !found {
		return c.notFound("Tag", c.args[0])
	}
	t.forgetName(x)
	t.tags.remove(id)
	for p := range t.holdersOf(id).byID.all() {
		p.tags = slices.DeleteFunc(p.tags, func(a applied) bool { return a.tag == id })
	}
	delete(t.tagged, id)
	c.about("tag", id)
	t.happened(c, "contactGroup.delete", id)
	return none()
}

// listTags1 filters by name (the whole name, whatever its case) and category.
func listTags1(t *tenant, c *call) reply {
	name, cat := c.query.Get("name"), c.query.Get("category")
	if name != "" && len(t.tagNames[strings.ToLower(name)]) == 0 {
		return reply1(c, "tags", []v1Tag{})
	}
	return reply1(c, "tags", pick(&t.tags, func(_ ref, x *tag) bool {
		return (name == "" || strings.EqualFold(x.name, name)) && (cat == "" || x.category == parseRef(cat))
	}, t.tag1))
}

func listTags2(t *tenant, c *call) reply {
	tests, err := c.tagTests()
	if err != nil {
		return c.bad(err.Error())
	}
	type row struct {
		id ref
		x  *tag
	}
	rows := pick(&t.tags, func(id ref, x *tag) bool { return tests(id, x, time.Time{}) }, func(id ref, x *tag) row { return row{id, x} })
	key, descending, err := c.order2(map[string]string{"name": "name", "create_time": "create", "update_time": "update"})
	if err != nil {
		return c.bad(err.Error())
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		n := 0
		switch key {
		case "name":
			n = strings.Compare(a.x.name, b.x.name)
		case "create":
			n = a.x.created.Compare(b.x.created)
		case "update":
			n = a.x.updated.Compare(b.x.updated)
		default:
			n = cmp.Compare(a.id, b.id)
		}
		if descending {
			return -n
		}
		return n
	})
	out := make([]v2Tag, len(rows))
	for i, r := range rows {
		out[i] = t.tag2(r.id, r.x)
	}
	return reply2(c, "tags", out)
}

// tagTests are v2's filters of tags and of tags applied to a contact.
func (c *call) tagTests() (func(id ref, x *tag, applied time.Time) bool, error) {
	filter, err := c.filter("name", "description", "category_id", "tag_ids", "since_create_time", "until_create_time",
		"since_update_time", "until_update_time", "since_applied_time", "until_applied_time")
	if err != nil {
		return nil, err
	}
	bounds := map[string]time.Time{}
	for _, f := range filter {
		if strings.HasSuffix(f.name, "_time") {
			if bounds[f.name], err = f.instant(); err != nil {
				return nil, err
			}
		}
	}
	return func(id ref, x *tag, at time.Time) bool {
		for _, f := range filter {
			switch {
			case f.name == "name" && !f.text(x.name), f.name == "description" && !f.text(x.description),
				f.name == "category_id" && !f.number(int64(x.category)), f.name == "tag_ids" && !f.number(int64(id)):
				return false
			}
		}
		return between(x.created, bounds["since_create_time"], bounds["until_create_time"]) &&
			between(x.updated, bounds["since_update_time"], bounds["until_update_time"]) &&
			between(at, bounds["since_applied_time"], bounds["until_applied_time"])
	}, nil
}
