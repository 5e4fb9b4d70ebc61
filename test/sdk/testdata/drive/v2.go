package main

import (
	"fmt"
	"net/http"

	"generated/v2"
)

type driverV2 struct {
	*driver
	c *v2.ClientWithResponses
}

func driveV2(d *driver, address, key string) {
	c, err := v2.NewClientWithResponses(address+"/crm", v2.WithRequestEditorFn(bearer(key)))
	if err != nil {
		panic(err)
	}
	two := &driverV2{d, c}
	two.account()
	ann, other := two.contacts()
	two.tags(ann, other)
	two.automations(ann, other)
	two.shop(ann)
	two.work(ann)
	two.merge(ann, other)
	two.errors(address)
}

func (d *driverV2) account() {
	r1, err := d.c.GetBusinessProfileWithResponse(d.ctx)
	fine(d.driver, "profile", 200, r1.JSON200, r1, err)
	r2, err := d.c.GetUserInfoWithResponse(d.ctx)
	fine(d.driver, "userinfo", 200, r2.JSON200, r2, err)
	r3, err := d.c.ListPaginatedUsersWithResponse(d.ctx, &v2.ListPaginatedUsersParams{})
	if l := fine(d.driver, "users", 200, r3.JSON200, r3, err); len(value(l.Users)) == 0 {
		d.wrong("users: none")
	}
	r4, err := d.c.RetrieveContactModelWithResponse(d.ctx)
	fine(d.driver, "contact model", 200, r4.JSON200, r4, err)
	r5, err := d.c.CreateContactCustomFieldWithResponse(d.ctx, body[v2.CreateContactCustomFieldJSONRequestBody](`{"label":"Size","field_type":"DROPDOWN","options":[{"label":"S"},{"label":"M"}]}`))
	fine(d.driver, "custom field", 201, r5.JSON201, r5, err)
	r6, err := d.c.ListCountriesWithResponse(d.ctx)
	fine(d.driver, "countries", 200, r6.JSON200, r6, err)
	r7, err := d.c.ListCompaniesWithResponse(d.ctx, &v2.ListCompaniesParams{})
	fine(d.driver, "companies", 200, r7.JSON200, r7, err)
}

const annV2 = `{"given_name":"Ann","family_name":"Lee","birth_date":"1990-02-03","email_addresses":[{"email":"ann+2@example.com","field":"EMAIL1","opt_in_reason":"Asked"}],
"phone_numbers":[{"number":"480 555 0103","field":"PHONE1","type":"Mobile"}],
"addresses":[{"field":"BILLING","line1":"2 Main St","locality":"Toronto","region_code":"CA-ON","postal_code":"M5V","country_code":"CAN"}]}`

func (d *driverV2) contacts() (ann, other string) {
	upsert := &v2.CreateContactParams{DuplicateOption: new(v2.CreateContactParamsDuplicateOption("Email")), Fields: &[]string{"id", "tag_ids", "custom_fields"}}
	made, err := d.c.CreateContactWithResponse(d.ctx, upsert, body[v2.CreateContactJSONRequestBody](annV2))
	ann = value(fine(d.driver, "upsert that creates", 201, made.JSON201, made, err).Id)
	made, err = d.c.CreateContactWithResponse(d.ctx, upsert, body[v2.CreateContactJSONRequestBody](annV2))
	if again := value(fine(d.driver, "upsert that updates", 200, made.JSON200, made, err).Id); again != ann || ann == "" {
		d.wrong("upserts of one address gave %q and %q", ann, again)
	}
	for i := range 4 {
		made, err := d.c.CreateContactWithResponse(d.ctx, &v2.CreateContactParams{}, body[v2.CreateContactJSONRequestBody](
			fmt.Sprintf(`{"given_name":"Other","family_name":"V2","email_addresses":[{"email":"v2-other%d@example.com","field":"EMAIL1"}]}`, i)))
		other = value(fine(d.driver, "create", 201, made.JSON201, made, err).Id)
	}
	patched, err := d.c.UpdateContactWithResponse(d.ctx, ann, &v2.UpdateContactParams{UpdateMask: &[]v2.UpdateContactParamsUpdateMask{"job_title", "website"}},
		body[v2.UpdateContactJSONRequestBody](`{"job_title":"CTO","website":"https://example.com","given_name":"Not this"}`))
	fine(d.driver, "patch", 200, patched.JSON200, patched, err)
	got, err := d.c.GetContactWithResponse(d.ctx, ann, &v2.GetContactParams{Fields: &[]string{"given_name", "job_title", "tag_ids", "addresses", "create_time"}})
	if g := fine(d.driver, "get", 200, got.JSON200, got, err); value(g.JobTitle) != "CTO" || value(g.GivenName) != "Ann" || len(value(g.Addresses)) != 1 {
		d.wrong("get: %s", bodyOf(got))
	}
	found, err := d.c.ListContactsWithResponse(d.ctx, &v2.ListContactsParams{Filter: new("email==ann+2@example.com")})
	if l := fine(d.driver, "find", 200, found.JSON200, found, err); len(value(l.Contacts)) != 1 {
		d.wrong("find: %s", bodyOf(found))
	}
	d.pages()
	return ann, other
}

// pages reads the four others by threes.
func (d *driverV2) pages() {
	seen := map[string]bool{}
	p := &v2.ListContactsParams{Filter: new("family_name==V2;given_name==Oth*"), PageSize: new(int32(3)), OrderBy: new("email desc")}
	for range 5 {
		page, err := d.c.ListContactsWithResponse(d.ctx, p)
		l := fine(d.driver, "page", 200, page.JSON200, page, err)
		for _, c := range value(l.Contacts) {
			seen[value(c.Id)] = true
		}
		if value(l.NextPageToken) == "" {
			break
		}
		p.PageToken = l.NextPageToken
	}
	if len(seen) != 4 {
		d.wrong("paging showed %d contacts, want 4", len(seen))
	}
}

func (d *driverV2) tags(ann, other string) {
	category, err := d.c.CreateTagCategoryWithResponse(d.ctx, body[v2.CreateTagCategoryJSONRequestBody](`{"name":"Web"}`))
	web := fine(d.driver, "tag category", 201, category.JSON201, category, err)
	made, err := d.c.CreateTagWithResponse(d.ctx, body[v2.CreateTagJSONRequestBody](fmt.Sprintf(`{"name":"VIP","category":{"id":%q}}`, value(web.Id))))
	vip := value(fine(d.driver, "tag", 201, made.JSON201, made, err).Id)
	listed, err := d.c.ListTagsWithResponse(d.ctx, &v2.ListTagsParams{Filter: new("name==VIP"), PageSize: new(int32(10))})
	if l := fine(d.driver, "find tag", 200, listed.JSON200, listed, err); len(value(l.Tags)) != 1 {
		d.wrong("find tag: %s", bodyOf(listed))
	}
	column := fmt.Sprintf(`{"contact_ids":[%q,%q,"999999"]}`, ann, other)
	for _, want := range []string{"SUCCESS SUCCESS CONTACT_NOT_FOUND", "DUPLICATE DUPLICATE CONTACT_NOT_FOUND"} {
		applied, err := d.c.ApplyTagsWithResponse(d.ctx, vip, body[v2.ApplyTagsJSONRequestBody](column))
		results := value(fine(d.driver, "apply tag", 200, applied.JSON200, applied, err).Results)
		if got := fmt.Sprint(results[ann], " ", results[other], " ", results["999999"]); got != want {
			d.wrong("apply tag: %s, want %s", got, want)
		}
	}
	has, err := d.c.ListTagsForContactWithResponse(d.ctx, ann, &v2.ListTagsForContactParams{})
	if l := fine(d.driver, "tags of a contact", 200, has.JSON200, has, err); len(value(l.Tags)) != 1 {
		d.wrong("tags of a contact: %s", bodyOf(has))
	}
	whose, err := d.c.ListContactsWithTagIdWithResponse(d.ctx, vip, &v2.ListContactsWithTagIdParams{})
	if l := fine(d.driver, "contacts of a tag", 200, whose.JSON200, whose, err); len(value(l.Contacts)) != 2 {
		d.wrong("contacts of a tag: %s", bodyOf(whose))
	}
	off, err := d.c.RemoveTagsWithResponse(d.ctx, vip, body[v2.RemoveTagsJSONRequestBody](column))
	status(d.driver, "remove tag", 204, off, err)
}

func (d *driverV2) automations(ann, other string) {
	goal, err := d.c.AchieveGoalWithResponse(d.ctx, body[v2.AchieveGoalJSONRequestBody](fmt.Sprintf(`{"contact_id":%s,"integration":"shop","call_name":"bought"}`, ann)))
	fine(d.driver, "goal", 200, goal.JSON200, goal, err)
	added, err := d.c.AddContactsToAutomationSequenceWithResponse(d.ctx, "12", "3", body[v2.AddContactsToAutomationSequenceJSONRequestBody](fmt.Sprintf(`{"contact_ids":[%q,%q]}`, ann, other)))
	fine(d.driver, "sequence", 200, added.JSON200, added, err)
	off, err := d.c.RemoveContactsFromCampaignSequenceWithResponse(d.ctx, "12", "3", body[v2.RemoveContactsFromCampaignSequenceJSONRequestBody](fmt.Sprintf(`{"contact_ids":[%q]}`, ann)))
	fine(d.driver, "sequence left", 200, off.JSON200, off, err)
	listed, err := d.c.ListAutomationsWithResponse(d.ctx, &v2.ListAutomationsParams{})
	fine(d.driver, "automations", 200, listed.JSON200, listed, err)
	campaigns, err := d.c.ListCampaignsWithResponse(d.ctx, &v2.ListCampaignsParams{})
	fine(d.driver, "campaigns", 200, campaigns.JSON200, campaigns, err)
	templates, err := d.c.ListEmailTemplatesWithResponse(d.ctx, &v2.ListEmailTemplatesParams{})
	fine(d.driver, "templates", 200, templates.JSON200, templates, err)
	sent, err := d.c.SendEmailTemplateWithResponse(d.ctx, body[v2.SendEmailTemplateJSONRequestBody](fmt.Sprintf(`{"template_id":"77","user_id":"1","contact_ids":[%q]}`, ann)))
	status(d.driver, "template e-mail", 202, sent, err)
}

func (d *driverV2) shop(ann string) {
	product, err := d.c.CreateProductWithResponse(d.ctx, body[v2.CreateProductJSONRequestBody](`{"name":"Cap","sku":"CAP","price":1250,"short_description":"A cap"}`))
	cap := value(fine(d.driver, "product", 201, product.JSON201, product, err).Id)
	listed, err := d.c.ListProductsWithResponse(d.ctx, &v2.ListProductsParams{Filter: new("sku==CAP")})
	if l := fine(d.driver, "products", 200, listed.JSON200, listed, err); len(value(l.Products)) != 1 {
		d.wrong("products: %s", bodyOf(listed))
	}
	made, err := d.c.CreateOrderWithResponse(d.ctx, body[v2.CreateOrderJSONRequestBody](fmt.Sprintf(
		`{"contact_id":%q,"order_time":"2026-11-23T08:00:00.123456Z","order_title":"#2","order_type":"ONLINE","invoice_number":"W-2","order_items":[{"product_id":%q,"quantity":2},{"item_type":"TAX","name":"VAT","quantity":1,"price_per_unit":2.5}]}`, ann, cap)))
	order := fine(d.driver, "order", 201, made.JSON201, made, err)
	if order.Total == nil || value(order.Total.Amount) != 2750 {
		d.wrong("order: %s", bodyOf(made))
	}
	id := value(order.Id)
	paid, err := d.c.CreatePaymentForAnOrderWithResponse(d.ctx, id, body[v2.CreatePaymentForAnOrderJSONRequestBody](`{"payment_amount":27.5,"apply_to_commissions":false,"payment_method_type":"Other"}`))
	fine(d.driver, "payment", 201, paid.JSON201, paid, err)
	got, err := d.c.GetOrderWithResponse(d.ctx, id)
	fine(d.driver, "order by id", 200, got.JSON200, got, err)
	orders, err := d.c.ListOrdersWithResponse(d.ctx, &v2.ListOrdersParams{Filter: new("contact_id==" + ann)})
	if l := fine(d.driver, "orders", 200, orders.JSON200, orders, err); len(value(l.Orders)) != 1 {
		d.wrong("orders: %s", bodyOf(orders))
	}
}

func (d *driverV2) work(ann string) {
	note, err := d.c.CreateNoteWithResponse(d.ctx, ann, &v2.CreateNoteParams{}, body[v2.CreateNoteJSONRequestBody](`{"user_id":"1","title":"Called","text":"about the cap"}`))
	fine(d.driver, "note", 201, note.JSON201, note, err)
	task, err := d.c.CreateTaskWithResponse(d.ctx, &v2.CreateTaskParams{}, body[v2.CreateTaskJSONRequestBody](
		fmt.Sprintf(`{"title":"Call back","due_time":"2026-12-01T10:00:00+01:00","contact_id":%q,"assigned_to_user_id":"1"}`, ann)))
	fine(d.driver, "task", 201, task.JSON201, task, err)
	stages, err := d.c.ListOpportunityStagesWithResponse(d.ctx, &v2.ListOpportunityStagesParams{})
	fine(d.driver, "stages", 200, stages.JSON200, stages, err)
	deal, err := d.c.CreateOpportunityWithResponse(d.ctx, &v2.CreateOpportunityParams{}, body[v2.CreateOpportunityJSONRequestBody](fmt.Sprintf(`{"contact_id":%q,"opportunity_title":"Deal","stage_id":"1"}`, ann)))
	fine(d.driver, "opportunity", 201, deal.JSON201, deal, err)
}

// merge makes one contact of two; the other one is gone then.
func (d *driverV2) merge(ann, other string) {
	merged, err := d.c.MergeContactsWithResponse(d.ctx, &v2.MergeContactsParams{}, body[v2.MergeContactsJSONRequestBody](fmt.Sprintf(`{"contact_id":%q,"duplicate_contact_id":%q}`, ann, other)))
	fine(d.driver, "merge", 200, merged.JSON200, merged, err)
	gone, err := d.c.GetContactWithResponse(d.ctx, other, &v2.GetContactParams{})
	fine(d.driver, "merged away", 404, gone.JSON404, gone, err)
}

// errors: each has the documented shape.
func (d *driverV2) errors(address string) {
	missing, err := d.c.GetOrderWithResponse(d.ctx, "999999")
	if e := fine(d.driver, "unknown order", 404, missing.JSON404, missing, err); value(e.Code) != 404 || value(e.Message) == "" {
		d.wrong("unknown order: %s", bodyOf(missing))
	}
	region, err := d.c.CreateContactWithResponse(d.ctx, &v2.CreateContactParams{}, body[v2.CreateContactJSONRequestBody](
		`{"email_addresses":[{"email":"x@example.com","field":"EMAIL1"}],"addresses":[{"field":"BILLING","region_code":"US-ZZ","country_code":"USA"}]}`))
	fine(d.driver, "wrong region", 400, region.JSON400, region, err)
	filter, err := d.c.ListContactsWithResponse(d.ctx, &v2.ListContactsParams{Filter: new("nonsense==1")})
	fine(d.driver, "wrong filter", 400, filter.JSON400, filter, err)
	unserved, err := d.c.ListContactLinkTypesWithResponse(d.ctx, &v2.ListContactLinkTypesParams{})
	fine(d.driver, "operation that is not simulated", 501, unserved.JSON501, unserved, err)
	stranger, err := v2.NewClientWithResponses(address+"/crm", v2.WithRequestEditorFn(bearer(revokedKey)))
	if err != nil {
		panic(err)
	}
	refused, err := stranger.GetUserInfoWithResponse(d.ctx)
	status(d.driver, "revoked key", http.StatusUnauthorized, refused, err)
	d.control(address, "faults", `[{"match":{"operation":"users.userinfo"},"fault":"status:503","times":1}]`)
	broken, err := d.c.GetUserInfoWithResponse(d.ctx)
	status(d.driver, "overloaded", http.StatusServiceUnavailable, broken, err)
	d.control(address, "settings", `{"quota":{"minute":1}}`)
	throttled, err := d.c.GetUserInfoWithResponse(d.ctx)
	status(d.driver, "over the quota", http.StatusTooManyRequests, throttled, err)
}
