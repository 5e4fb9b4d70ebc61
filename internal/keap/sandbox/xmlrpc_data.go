package sandbox

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// xmlTable gives the rows of a table with the wanted fields.
type xmlTable struct {
	fields []string
	rows   func(t *tenant) []map[string]any
}

// xmlTables are the tables that can be queried, besides Contact.
var xmlTables = map[string]xmlTable{
	"ContactGroup": {[]string{"Id", "GroupName", "GroupCategoryId", "GroupDescription"}, func(t *tenant) []map[string]any {
		return pick(&t.tags, all, func(id ref, x *tag) map[string]any {
			return map[string]any{"Id": int(id), "GroupName": x.name, "GroupCategoryId": int(x.category), "GroupDescription": x.description}
		})
	}},
	"ContactGroupCategory": {[]string{"Id", "CategoryName", "CategoryDescription"}, func(t *tenant) []map[string]any {
		return pick(&t.categories, all, func(id ref, x *category) map[string]any {
			return map[string]any{"Id": int(id), "CategoryName": x.name, "CategoryDescription": x.description}
		})
	}},
	"ContactGroupAssign": {[]string{"ContactId", "GroupId", "DateCreated", "ContactGroup"}, func(t *tenant) []map[string]any {
		var out []map[string]any
		for x := range t.contacts.all() {
			for _, a := range x.tags {
				g, _ := t.tags.get(a.tag)
				out = append(out, map[string]any{"ContactId": int(x.id), "GroupId": int(a.tag), "DateCreated": a.at, "ContactGroup": g.name})
			}
		}
		return out
	}},
	"ActionSequence": {[]string{"Id", "TemplateName", "VisibleToTheseUsers"}, func(t *tenant) []map[string]any {
		return pick(&t.sets, all, func(id ref, x *ActionSet) map[string]any {
			return map[string]any{"Id": int(id), "TemplateName": x.Name}
		})
	}},
	"Product": {[]string{"Id", "ProductName", "Sku", "ProductPrice", "Status"}, func(t *tenant) []map[string]any {
		return pick(&t.products, all, func(id ref, p *product) map[string]any {
			return map[string]any{"Id": int(id), "ProductName": p.name, "Sku": p.sku, "ProductPrice": p.price.InexactFloat64(), "Status": 1}
		})
	}},
	"User": {[]string{"Id", "FirstName", "LastName", "Email"}, func(t *tenant) []map[string]any {
		return pick(&t.users, all, func(id ref, u *User) map[string]any {
			return map[string]any{"Id": int(id), "FirstName": u.GivenName, "LastName": u.FamilyName, "Email": u.Email}
		})
	}},
	"Job": {[]string{"Id", "ContactId", "JobTitle", "DateCreated"}, func(t *tenant) []map[string]any {
		return pick(&t.orders, all, func(id ref, o *order) map[string]any {
			return map[string]any{"Id": int(id), "ContactId": int(o.contact), "JobTitle": o.title, "DateCreated": o.created}
		})
	}},
}

// xmlRows reads a table. Unknown tables and fields are faults.
func (t *tenant) xmlRows(table string, names []string, query map[string]any) ([]map[string]any, error) {
	if table == "Contact" {
		var out []map[string]any
		want := slices.Concat(names, sortedKeys(query))
		for x := range t.contacts.all() {
			row, err := t.xmlContact(x, want)
			if err != nil {
				return nil, err
			}
			out = append(out, row)
		}
		if t.contacts.n == 0 {
			_, err := t.xmlContact(&contact{}, want)
			return nil, err
		}
		return out, nil
	}
	x, known := xmlTables[table]
	if !known {
		return nil, fault{faultNoTable, "[NoTableFound]No table found: " + table}
	}
	for _, name := range slices.Concat(names, sortedKeys(query)) {
		if !slices.Contains(x.fields, name) {
			return nil, fault{faultNoField, "[NoFieldFound]No field found: " + table + "." + name}
		}
	}
	return x.rows(t), nil
}

func sortedKeys(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// xmlMatches compares as DataService.query does: % is any text, ~null~ no value.
func xmlMatches(row, query map[string]any) bool {
	for name, want := range query {
		have := ""
		if v, there := row[name]; there {
			have = fmt.Sprint(v)
		}
		pattern := fmt.Sprint(want)
		if pattern == "~null~" {
			if have != "" && have != "0" {
				return false
			}
			continue
		}
		if !like(strings.ToLower(have), strings.ToLower(pattern)) {
			return false
		}
	}
	return true
}

// like matches a pattern in which % stands for any text.
func like(have, pattern string) bool {
	parts := strings.Split(pattern, "%")
	if len(parts) == 1 {
		return have == pattern
	}
	if !strings.HasPrefix(have, parts[0]) {
		return false
	}
	have = have[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(have, part)
		if i < 0 {
			return false
		}
		have = have[i+len(part):]
	}
	return strings.HasSuffix(have, parts[len(parts)-1])
}

// xmlPage answers a page of the rows that match, with the wanted fields only.
func (t *tenant) xmlPage(table string, limit, page int, query map[string]any, names []string, order string, ascending bool) (any, error) {
	if limit < 1 || limit > maxPage || page < 0 {
		return nil, fmt.Errorf("limit must be from 1 to %d and page at least 0", maxPage)
	}
	rows, err := t.xmlRows(table, names, query)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(r map[string]any) bool { return !xmlMatches(r, query) })
	if order != "" {
		slices.SortStableFunc(rows, func(a, b map[string]any) int {
			n := compareXML(a[order], b[order])
			if !ascending {
				return -n
			}
			return n
		})
	}
	out := []any{}
	for _, r := range rows[min(page*limit, len(rows)):min((page+1)*limit, len(rows))] {
		row := map[string]any{}
		for _, name := range names {
			if v, there := r[name]; there && v != "" {
				row[name] = v
			}
		}
		out = append(out, row)
	}
	return out, nil
}

func compareXML(a, b any) int {
	x, okX := a.(int)
	y, okY := b.(int)
	if okX && okY {
		return x - y
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func xmlQuery(t *tenant, _ *call, p params) (any, error) {
	table, limit, page, query, names := p.text(0), p.at(1), p.at(2), p.fields(3), p.names(4)
	order, ascending := "", true
	if len(p.values) > 5 {
		order = p.text(5)
	}
	if len(p.values) > 6 {
		ascending, _ = p.at(6).(bool)
	}
	if p.err != nil {
		return nil, p.err
	}
	return t.xmlPage(table, int(p.number(limit)), zeroable(page), query, names, order, ascending)
}

// zeroable reads a number that may be 0, as int or text.
func zeroable(v any) int {
	if n, isInt := v.(int); isInt {
		return n
	}
	return int(parseRef(fmt.Sprint(v)))
}

func xmlFindByField(t *tenant, _ *call, p params) (any, error) {
	table, limit, page, field, value, names := p.text(0), p.at(1), p.at(2), p.text(3), p.at(4), p.names(5)
	if p.err != nil {
		return nil, p.err
	}
	return t.xmlPage(table, zeroable(limit), zeroable(page), map[string]any{field: value}, names, "", true)
}

func xmlCount(t *tenant, _ *call, p params) (any, error) {
	table, query := p.text(0), p.fields(1)
	if p.err != nil {
		return nil, p.err
	}
	rows, err := t.xmlRows(table, nil, query)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, r := range rows {
		if xmlMatches(r, query) {
			n++
		}
	}
	return n, nil
}

func xmlLoadRow(t *tenant, _ *call, p params) (any, error) {
	table, id, names := p.text(0), p.id(1), p.names(2)
	if p.err != nil {
		return nil, p.err
	}
	found, err := t.xmlPage(table, 1, 0, map[string]any{"Id": int(id)}, names, "", true)
	if err != nil {
		return nil, err
	}
	rows, _ := found.([]any)
	if len(rows) == 0 {
		return nil, recordNotFound("%s %s does not exist", table, id)
	}
	return rows[0], nil
}

// xmlUpdateRow updates contacts.
func xmlUpdateRow(t *tenant, c *call, p params) (any, error) {
	table := p.text(0)
	if p.err != nil {
		return nil, p.err
	}
	if table != "Contact" {
		return nil, fault{faultNoAccess, "[NoTableAccess]The sandbox does not simulate updates of " + table}
	}
	return xmlUpdate(t, c, params{values: p.values[1:]})
}

// xmlAddRow adds contacts and tags.
func xmlAddRow(t *tenant, c *call, p params) (any, error) {
	table, fields := p.text(0), p.fields(1)
	if p.err != nil {
		return nil, p.err
	}
	switch table {
	case "Contact":
		if err := t.xmlFields(fields); err != nil {
			return nil, err
		}
		return t.xmlCreate(c, fields), nil
	case "ContactGroup":
		name, _ := fields["GroupName"].(string)
		if name == "" {
			return nil, fmt.Errorf("GroupName is required")
		}
		return int(t.addTag(0, tag{name: name, created: c.now, updated: c.now})), nil
	}
	return nil, fault{faultNoAccess, "[NoTableAccess]The sandbox does not simulate adding to " + table}
}
