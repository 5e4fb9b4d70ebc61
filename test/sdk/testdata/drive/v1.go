package main

import (
	"fmt"
	"net/http"

	"generated/v1"
)

type driverV1 struct {
	*driver
	c *v1.ClientWithResponses
}

func driveV1(d *driver, address, key string) {
	c, err := v1.NewClientWithResponses(address+"/crm/rest", v1.WithRequestEditorFn(bearer(key)))
	if err != nil {
		panic(err)
	}
	one := &driverV1{d, c}
	one.account()
	ann := one.contacts()
	one.tags(ann)
	one.automations(ann)
	one.shop(ann)
	one.work(ann)
	one.errors(address)
}

func (d *driverV1) account() {
	r1, err := d.c.GetAccountProfileUsingGETWithResponse(d.ctx)
	fine(d.driver, "profile", 200, r1.JSON200, r1, err)
	r2, err := d.c.GetUserInfoUsingGETWithResponse(d.ctx)
	if u := fine(d.driver, "userinfo", 200, r2.JSON200, r2, err); u.Email == "" {
		d.wrong("userinfo: no e-mail address")
	}
	r3, err := d.c.ListUsersUsingGETWithResponse(d.ctx, &v1.ListUsersUsingGETParams{})
	if l := fine(d.driver, "users", 200, r3.JSON200, r3, err); len(value(l.Users)) == 0 {
		d.wrong("users: none")
	}
	r4, err := d.c.RetrieveContactModelUsingGETWithResponse(d.ctx)
	fine(d.driver, "contact model", 200, r4.JSON200, r4, err)
	r5, err := d.c.CreateCustomFieldUsingPOSTWithResponse(d.ctx, body[v1.CreateCustomFieldUsingPOSTJSONRequestBody](`{"label":"Last Order","field_type":"Text"}`))
	fine(d.driver, "custom field", 201, r5.JSON201, r5, err)
	r6, err := d.c.ListHookEventTypesWithResponse(d.ctx)
	fine(d.driver, "hook events", 200, r6.JSON200, r6, err)
	r7, err := d.c.ListCountriesUsingGETWithResponse(d.ctx)
	fine(d.driver, "countries", 200, r7.JSON200, r7, err)
	r8, err := d.c.GetApplicationEnabledUsingGETWithResponse(d.ctx)
	fine(d.driver, "application enabled", 200, r8.JSON200, r8, err)
}

const annV1 = `{"duplicate_option":"Email","given_name":"Ann","family_name":"Lee","opt_in_reason":"Asked","birthday":"1990-02-03T00:00:00Z",
"email_addresses":[{"email":"ann+1@example.com","field":"EMAIL1"}],"phone_numbers":[{"number":"480 555 0101","type":"Work","field":"PHONE1"}],
"addresses":[{"field":"BILLING","line1":"1 Main St","locality":"Chandler","region":"AZ","zip_code":"85225","country_code":"USA"}]}`

// contacts creates, upserts, changes, reads, pages and deletes; it gives Ann's id.
func (d *driverV1) contacts() int64 {
	put, err := d.c.CreateOrUpdateContactUsingPUTWithResponse(d.ctx, body[v1.CreateOrUpdateContactUsingPUTJSONRequestBody](annV1))
	ann := value(fine(d.driver, "upsert that creates", 200, put.JSON200, put, err).Id)
	put, err = d.c.CreateOrUpdateContactUsingPUTWithResponse(d.ctx, body[v1.CreateOrUpdateContactUsingPUTJSONRequestBody](annV1))
	if again := value(fine(d.driver, "upsert that updates", 200, put.JSON200, put, err).Id); again != ann || ann == 0 {
		d.wrong("upserts of one address gave %d and %d", ann, again)
	}
	var others []int64
	for i := range 4 {
		made, err := d.c.CreateContactUsingPOSTWithResponse(d.ctx, body[v1.CreateContactUsingPOSTJSONRequestBody](
			fmt.Sprintf(`{"family_name":"Other","email_addresses":[{"email":"other%d@example.com","field":"EMAIL1"}]}`, i)))
		others = append(others, value(fine(d.driver, "create", 201, made.JSON201, made, err).Id))
	}
	patched, err := d.c.UpdatePropertiesOnContactUsingPATCHWithResponse(d.ctx, ann, &v1.UpdatePropertiesOnContactUsingPATCHParams{UpdateMask: &[]string{"job_title", "website"}},
		body[v1.UpdatePropertiesOnContactUsingPATCHJSONRequestBody](`{"job_title":"CTO","website":"https://example.com","given_name":"Not this"}`))
	fine(d.driver, "patch", 200, patched.JSON200, patched, err)
	got, err := d.c.GetContactUsingGETWithResponse(d.ctx, ann, &v1.GetContactUsingGETParams{OptionalProperties: &[]string{"job_title", "lead_source_id"}})
	if g := fine(d.driver, "get", 200, got.JSON200, got, err); value(g.JobTitle) != "CTO" || value(g.GivenName) != "Ann" || len(value(g.Addresses)) != 1 || g.DateCreated == nil {
		d.wrong("get: %s", bodyOf(got))
	}
	found, err := d.c.ListContactsUsingGETWithResponse(d.ctx, &v1.ListContactsUsingGETParams{Email: new("ann+1@example.com")})
	if l := fine(d.driver, "find", 200, found.JSON200, found, err); len(value(l.Contacts)) != 1 {
		d.wrong("find: %s", bodyOf(found))
	}
	d.pages(len(others) + 1)
	gone, err := d.c.DeleteContactUsingDELETEWithResponse(d.ctx, others[0])
	status(d.driver, "delete", 204, gone, err)
	return ann
}

// pages reads all contacts by twos.
func (d *driverV1) pages(want int) {
	seen := map[int64]bool{}
	for offset := int32(0); ; offset += 2 {
		page, err := d.c.ListContactsUsingGETWithResponse(d.ctx, &v1.ListContactsUsingGETParams{
			Limit: new(int32(2)), Offset: &offset, Order: new(v1.ListContactsUsingGETParamsOrder("id")), OrderDirection: new(v1.ListContactsUsingGETParamsOrderDirection("DESCENDING")),
		})
		l := fine(d.driver, "page", 200, page.JSON200, page, err)
		if len(value(l.Contacts)) == 0 {
			break
		}
		for _, c := range *l.Contacts {
			seen[value(c.Id)] = true
		}
	}
	if len(seen) < want {
		d.wrong("paging showed %d contacts, want %d or more", len(seen), want)
	}
}

func (d *driverV1) tags(ann int64) {
	category, err := d.c.CreateTagCategoryUsingPOSTWithResponse(d.ctx, body[v1.CreateTagCategoryUsingPOSTJSONRequestBody](`{"name":"Shop","description":"of the shop"}`))
	shop := fine(d.driver, "tag category", 200, category.JSON200, category, err)
	var ids []int64
	for _, name := range []string{"Customer", "Bought HOODIE"} {
		made, err := d.c.CreateTagUsingPOSTWithResponse(d.ctx, body[v1.CreateTagUsingPOSTJSONRequestBody](fmt.Sprintf(`{"name":%q,"category":{"id":%d}}`, name, shop.Id)))
		ids = append(ids, fine(d.driver, "tag", 200, made.JSON200, made, err).Id)
	}
	listed, err := d.c.ListTagsUsingGETWithResponse(d.ctx, &v1.ListTagsUsingGETParams{Name: new("Customer"), Category: &shop.Id})
	if l := fine(d.driver, "find tag", 200, listed.JSON200, listed, err); len(value(l.Tags)) != 1 {
		d.wrong("find tag: %s", bodyOf(listed))
	}
	row := body[v1.ApplyTagsToContactIdUsingPOSTJSONRequestBody](fmt.Sprintf(`{"tagIds":[%d,%d,999999]}`, ids[0], ids[1]))
	for _, want := range []string{"[SUCCESS SUCCESS TAG_ID_NOT_FOUND]", "[DUPLICATE DUPLICATE TAG_ID_NOT_FOUND]"} {
		applied, err := d.c.ApplyTagsToContactIdUsingPOSTWithResponse(d.ctx, ann, row)
		var results []string
		for _, r := range fine(d.driver, "apply tags", 200, applied.JSON200, applied, err) {
			results = append(results, string(value(r.Key)))
		}
		if fmt.Sprint(results) != want {
			d.wrong("apply tags: %v, want %s", results, want)
		}
	}
	has, err := d.c.ListAppliedTagsUsingGETWithResponse(d.ctx, ann, &v1.ListAppliedTagsUsingGETParams{})
	if l := fine(d.driver, "tags of a contact", 200, has.JSON200, has, err); len(value(l.Tags)) != 2 {
		d.wrong("tags of a contact: %s", bodyOf(has))
	}
	off, err := d.c.RemoveTagsFromContactUsingDELETEWithResponse(d.ctx, ann, &v1.RemoveTagsFromContactUsingDELETEParams{Ids: fmt.Sprintf("%d,999999", ids[1])})
	status(d.driver, "remove tags", 204, off, err)
	one, err := d.c.GetTagUsingGETWithResponse(d.ctx, ids[0])
	fine(d.driver, "tag by id", 200, one.JSON200, one, err)
}

func (d *driverV1) automations(ann int64) {
	goal, err := d.c.CreateAchieveApiGoalEventUsingPOSTWithResponse(d.ctx, "shop", "bought", body[v1.CreateAchieveApiGoalEventUsingPOSTJSONRequestBody](fmt.Sprintf(`{"contact_id":%d}`, ann)))
	fine(d.driver, "goal", 201, goal.JSON201, goal, err)
	listed, err := d.c.ListCampaignsUsingGETWithResponse(d.ctx, &v1.ListCampaignsUsingGETParams{})
	fine(d.driver, "campaigns", 200, listed.JSON200, listed, err)
	mail, err := d.c.ReplaceEmailAddressUsingPUTWithResponse(d.ctx, "ann+1@example.com", body[v1.ReplaceEmailAddressUsingPUTJSONRequestBody](`{"opted_in":true,"reason":"Asked"}`))
	fine(d.driver, "opt in", 200, mail.JSON200, mail, err)
	utm, err := d.c.InsertUTMsUsingPOSTWithResponse(d.ctx, ann, body[v1.InsertUTMsUsingPOSTJSONRequestBody](`{"keapSourceId":"k","utmSource":"shop"}`))
	status(d.driver, "utm", 201, utm, err)
}

func (d *driverV1) shop(ann int64) {
	product, err := d.c.CreateProductUsingPOSTWithResponse(d.ctx, body[v1.CreateProductUsingPOSTJSONRequestBody](`{"product_name":"Hoodie","sku":"HOODIE","product_price":45.5,"active":true}`))
	hoodie := fine(d.driver, "product", 201, product.JSON201, product, err).Id
	listed, err := d.c.ListProductsUsingGETWithResponse(d.ctx, &v1.ListProductsUsingGETParams{Active: new(true)})
	fine(d.driver, "products", 200, listed.JSON200, listed, err)
	made, err := d.c.CreateOrderUsingPOSTWithResponse(d.ctx, body[v1.CreateOrderUsingPOSTJSONRequestBody](fmt.Sprintf(
		`{"contact_id":%d,"order_date":"2026-11-23T08:00:00.123+01:00","order_title":"#1","order_type":"Online","order_items":[{"product_id":%d,"quantity":2,"price":"45.50"}]}`, ann, hoodie)))
	order := fine(d.driver, "order", 201, made.JSON201, made, err)
	if value(order.Total) != 91 {
		d.wrong("order: total %v", value(order.Total))
	}
	id := value(order.Id)
	paid, err := d.c.CreatePaymentOnOrderUsingPOSTWithResponse(d.ctx, id, body[v1.CreatePaymentOnOrderUsingPOSTJSONRequestBody](
		`{"payment_amount":"91.00","charge_now":false,"date":"2026-11-23T08:01:00Z","payment_method_type":"CASH","apply_to_commissions":true}`))
	fine(d.driver, "payment", 201, paid.JSON201, paid, err)
	got, err := d.c.GetOrderUsingGETWithResponse(d.ctx, id)
	if o := fine(d.driver, "order by id", 200, got.JSON200, got, err); value(o.TotalPaid) != 91 || value(o.TotalDue) != 0 {
		d.wrong("order by id: %s", bodyOf(got))
	}
	orders, err := d.c.ListOrdersUsingGETWithResponse(d.ctx, &v1.ListOrdersUsingGETParams{ContactId: &ann})
	if l := fine(d.driver, "orders", 200, orders.JSON200, orders, err); len(value(l.Orders)) != 1 {
		d.wrong("orders: %s", bodyOf(orders))
	}
}

func (d *driverV1) work(ann int64) {
	note, err := d.c.CreateNoteUsingPOSTWithResponse(d.ctx, body[v1.CreateNoteUsingPOSTJSONRequestBody](fmt.Sprintf(`{"contact_id":%d,"title":"Called","body":"about the hoodie","type":"Call"}`, ann)))
	fine(d.driver, "note", 201, note.JSON201, note, err)
	task, err := d.c.CreateTaskUsingPOSTWithResponse(d.ctx, body[v1.CreateTaskUsingPOSTJSONRequestBody](fmt.Sprintf(`{"title":"Call back","due_date":"2026-12-01T10:00:00Z","contact":{"id":%d}}`, ann)))
	fine(d.driver, "task", 200, task.JSON200, task, err)
	stages, err := d.c.ListOpportunityStagePipelinesUsingGETWithResponse(d.ctx)
	pipeline := fine(d.driver, "stages", 200, stages.JSON200, stages, err)
	if len(pipeline) == 0 {
		d.wrong("stages: none")
		return
	}
	deal, err := d.c.CreateOpportunityUsingPOSTWithResponse(d.ctx, body[v1.CreateOpportunityUsingPOSTJSONRequestBody](
		fmt.Sprintf(`{"contact":{"id":%d},"opportunity_title":"Deal","stage":{"id":%d},"user":{"id":1}}`, ann, value(pipeline[0].StageId))))
	fine(d.driver, "opportunity", 200, deal.JSON200, deal, err)
	hooks, err := d.c.ListStoredHookSubscriptionsWithResponse(d.ctx)
	fine(d.driver, "hooks", 200, hooks.JSON200, hooks, err)
}

// errors: each is decoded as documented, never a success that is made up.
func (d *driverV1) errors(address string) {
	missing, err := d.c.GetContactUsingGETWithResponse(d.ctx, 999999, &v1.GetContactUsingGETParams{})
	status(d.driver, "unknown contact", 404, missing, err)
	region, err := d.c.CreateOrUpdateContactUsingPUTWithResponse(d.ctx, body[v1.CreateOrUpdateContactUsingPUTJSONRequestBody](
		`{"duplicate_option":"Email","email_addresses":[{"email":"x@example.com","field":"EMAIL1"}],"addresses":[{"field":"BILLING","region":"Nowhere","country_code":"USA"}]}`))
	status(d.driver, "wrong region", 400, region, err)
	nobody, err := d.c.CreateContactUsingPOSTWithResponse(d.ctx, body[v1.CreateContactUsingPOSTJSONRequestBody](`{"given_name":"Nobody"}`))
	status(d.driver, "contact without address", 400, nobody, err)
	unserved, err := d.c.ListAffiliatesUsingGETWithResponse(d.ctx, &v1.ListAffiliatesUsingGETParams{})
	status(d.driver, "operation that is not simulated", 501, unserved, err)
	stranger, err := v1.NewClientWithResponses(address+"/crm/rest", v1.WithRequestEditorFn(bearer(revokedKey)))
	if err != nil {
		panic(err)
	}
	refused, err := stranger.GetUserInfoUsingGETWithResponse(d.ctx)
	status(d.driver, "revoked key", http.StatusUnauthorized, refused, err)
	d.control(address, "faults", `[{"match":{"operation":"users.userinfo"},"fault":"status:503","times":1}]`)
	broken, err := d.c.GetUserInfoUsingGETWithResponse(d.ctx)
	status(d.driver, "overloaded", http.StatusServiceUnavailable, broken, err)
	d.control(address, "settings", `{"quota":{"minute":1}}`)
	throttled, err := d.c.GetUserInfoUsingGETWithResponse(d.ctx)
	status(d.driver, "over the quota", http.StatusTooManyRequests, throttled, err)
}
