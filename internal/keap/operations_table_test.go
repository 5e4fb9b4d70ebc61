package keap

import (
	"context"
	"time"
)

var orderedAt = time.Date(2026, 11, 27, 10, 0, 0, 0, time.FixedZone("", 3600))

func contactOperations() []operation {
	contact := ContactWrite{
		GivenName: new("Ada"), OptInReason: new("Bought"), CompanyID: new("9"), OwnerID: new("3"), SourceType: "FORMAPIHOSTED", OriginIP: "192.0.2.1",
		Emails: []EmailAddress{{Address: "ada@example.com"}}, Phones: []Phone{{Number: "555", Type: "Work"}},
		Addresses: []Address{{Field: "SHIPPING", Region: "Arizona", Country: "USA"}, {Region: "AZ", Country: "US"}}, CustomFields: []CustomValue{{ID: "7", Content: []string{"a"}}},
		Birthday: new("2001-02-03"),
	}
	return []operation{
		{"contacts.upsert by company", func(ctx context.Context, c *Client) (any, error) {
			return c.UpsertContact(ctx, ContactWrite{Emails: []EmailAddress{{Address: "a@example.com"}}}, ByEmailNameCompany)
		},
			"POST", "/rest/v2/contacts?duplicate_option=EmailAndNameAndCompany", `{"email_addresses":[{"email":"a@example.com","field":"EMAIL1"}]}`,
			200, `{"id":"5"}`, ContactRef{ID: "5"}},
		{"contacts.upsert", func(ctx context.Context, c *Client) (any, error) {
			return c.UpsertContact(ctx, contact, ByEmailAndName)
		},
			"PUT", "/rest/v1/contacts", `{"given_name":"Ada","owner_id":3,"company":{"id":9},"birthday":"2001-02-03","source_type":"FORMAPIHOSTED","origin":{"ip_address":"192.0.2.1"},"opt_in_reason":"Bought","duplicate_option":"EmailAndName",` +
				`"email_addresses":[{"email":"ada@example.com","field":"EMAIL1"}],"phone_numbers":[{"number":"555","type":"Work","field":"PHONE1"}],` +
				`"addresses":[{"field":"SHIPPING","region":"Arizona","country_code":"USA"},{"field":"BILLING","region":"US-AZ","country_code":"USA"}],"custom_fields":[{"id":7,"content":["a"]}]}`,
			200, `{"id":5,"date_created":"2020-01-01T00:00:00.000+0000"}`, ContactRef{ID: "5"}},
		{"contacts.create", func(ctx context.Context, c *Client) (any, error) { return c.CreateContact(ctx, contact) },
			"POST", "/rest/v2/contacts", `{"given_name":"Ada","birth_date":"2001-02-03","owner_id":"3","company":{"id":"9"},"source_type":"FORM_API_HOSTED","origin":{"ip_address":"192.0.2.1"},` +
				`"email_addresses":[{"email":"ada@example.com","field":"EMAIL1","opt_in_reason":"Bought"}],"phone_numbers":[{"number":"555","type":"Work","field":"PHONE1"}],` +
				`"addresses":[{"field":"SHIPPING","region":"Arizona","country_code":"USA"},{"field":"BILLING","region_code":"US-AZ","country_code":"USA"}],"custom_fields":[{"id":"7","content":["a"]}]}`,
			201, `{"id":"5"}`, ContactRef{ID: "5", Created: true}},
		{"contacts.patch", func(ctx context.Context, c *Client) (any, error) { return none(c.PatchContact(ctx, "5", contact)) },
			"PATCH", "/rest/v1/contacts/5", `{"given_name":"Ada","birthday":"2001-02-03","owner_id":3,"company":{"id":9},"source_type":"FORMAPIHOSTED","origin":{"ip_address":"192.0.2.1"},"opt_in_reason":"Bought",` +
				`"email_addresses":[{"email":"ada@example.com","field":"EMAIL1"}],"phone_numbers":[{"number":"555","type":"Work","field":"PHONE1"}],` +
				`"addresses":[{"field":"SHIPPING","region":"Arizona","country_code":"USA"},{"field":"BILLING","region":"US-AZ","country_code":"USA"}],"custom_fields":[{"id":7,"content":["a"]}]}`,
			200, `{"id":5}`, nil},
		{"contacts.list", func(ctx context.Context, c *Client) (any, error) {
			return c.FindContacts(ctx, Find{Email: "Ada+x@Example.com", Phone: "555", IDs: []string{"1", "2"}, Limit: 5000})
		},
			"GET", "/rest/v2/contacts?fields=id%2Cgiven_name%2Cfamily_name%2Cemail_addresses%2Cphone_numbers%2Caddresses%2Ccustom_fields%2Ctag_ids%2Cowner_id%2Ccompany%2Ccreate_time%2Cupdate_time" +
				"&filter=email%3D%3Dada%2Bx%40example.com%3Bids%3D%3D1%2C2%3Bphone_number%3D%3D555%3Bphone_fields%3D%3DPHONE1%2CPHONE2%2CPHONE3%2CPHONE4%2CPHONE5&order_by=id+asc&page_size=1000", "",
			200, `{"contacts":[{"id":"5"},{"id":6}],"next_page_token":""}`, []Contact{{ID: "5"}, {ID: "6"}}},
		{"contacts.merge", func(ctx context.Context, c *Client) (any, error) { return none(c.MergeContacts(ctx, "5", "6")) },
			"POST", "/rest/v2/contacts:merge", `{"contact_id":"5","duplicate_contact_id":"6"}`, 200, `{"id":"5"}`, nil},
		{"contacts.utm", func(ctx context.Context, c *Client) (any, error) {
			return none(c.AddUTM(ctx, "5", UTM{SourceID: "f1", Source: "news", Term: "x"}))
		},
			"POST", "/rest/v1/contacts/5/utm", `{"keapSourceId":"f1","utmSource":"news","utmTerm":"x"}`, 201, `{"contactUtmId":1}`, nil},
		{"contacts.tags", func(ctx context.Context, c *Client) (any, error) { return c.ContactTags(ctx, "5") },
			"GET", "/rest/v2/contacts/5/tags?page_size=1000", "", 200, `{"tags":[{"tag":{"id":"1","name":"Customer","category":{"id":"2"}},"applied_time":"2026-01-01T00:00:00Z"}]}`, []Tag{{ID: "1", Name: "Customer", CategoryID: "2"}}},
	}
}

func tagOperations() []operation {
	return []operation{
		{"tags.apply row", func(ctx context.Context, c *Client) (any, error) {
			return c.ApplyTags(ctx, "5", []string{"1", "2", "3"})
		},
			"POST", "/rest/v1/contacts/5/tags", `{"tagIds":[1,2,3]}`, 200, `{"1":"SUCCESS","2":"TAG_ID_NOT_FOUND"}`, map[string]TagResult{"1": TagSuccess, "2": TagIDNotFound, "3": TagUnanswered}},
		{"tags.remove row", func(ctx context.Context, c *Client) (any, error) {
			return none(c.RemoveTags(ctx, "5", []string{"1", "2"}))
		},
			"DELETE", "/rest/v1/contacts/5/tags?ids=1%2C2", "", 204, ``, nil},
		{"tags.apply column", func(ctx context.Context, c *Client) (any, error) { return c.ApplyTag(ctx, "1", []string{"5", "6"}) },
			"POST", "/rest/v2/tags/1/contacts:applyTags", `{"contact_ids":["5","6"]}`, 200, `{"results":{"5":"DUPLICATE","6":"CONTACT_NOT_FOUND"}}`, map[string]TagResult{"5": TagDuplicate, "6": TagContactNotFound}},
		{"tags.remove column", func(ctx context.Context, c *Client) (any, error) { return none(c.RemoveTag(ctx, "1", []string{"5"})) },
			"POST", "/rest/v2/tags/1/contacts:removeTags", `{"contact_ids":["5"]}`, 204, ``, nil},
		{"tags.list by name", func(ctx context.Context, c *Client) (any, error) { return c.FindTags(ctx, "Bought; Shoes, red") },
			"GET", "/rest/v1/tags?limit=1000&name=Bought%3B+Shoes%2C+red", "", 200, `{"count":2,"tags":[{"id":1,"name":"bought; shoes, RED","category":{"id":2,"name":"Shop"}},{"id":3,"name":"Bought; Shoes, red and blue"}],"next":"x"}`,
			[]Tag{{ID: "1", Name: "bought; shoes, RED", CategoryID: "2", CategoryName: "Shop"}}},
		{"tags.list", func(ctx context.Context, c *Client) (any, error) { return collect(c.Tags(ctx, nil)) },
			"GET", "/rest/v1/tags?limit=1000", "", 200, `{"tags":[{"id":1,"name":"Customer"}],"count":1}`, []Tag{{ID: "1", Name: "Customer"}}},
		{"tags.categories.list", func(ctx context.Context, c *Client) (any, error) { return collect(c.TagCategories(ctx, nil)) },
			"GET", "/rest/v2/tags/categories?page_size=1000", "", 200, `{"tag_categories":[{"id":"2","name":"Shop"}]}`, []TagCategory{{ID: "2", Name: "Shop"}}},
		{"tags.create", func(ctx context.Context, c *Client) (any, error) { return c.CreateTag(ctx, "Customer", "2") },
			"POST", "/rest/v2/tags", `{"category":{"id":"2"},"name":"Customer"}`, 201, `{"id":"1","name":"Customer"}`, Tag{ID: "1", Name: "Customer"}},
		{"tags.categories.create", func(ctx context.Context, c *Client) (any, error) { return c.CreateTagCategory(ctx, "Shop") },
			"POST", "/rest/v2/tags/categories", `{"name":"Shop"}`, 201, `{"id":"2","name":"Shop"}`, TagCategory{ID: "2", Name: "Shop"}},
	}
}

func automationOperations() []operation {
	return []operation{
		{"goals.achieve", func(ctx context.Context, c *Client) (any, error) { return c.AchieveGoal(ctx, "shop", "bought/x", "5") },
			"POST", "/rest/v2/automations/goals/achieve", `{"call_name":"bought/x","contact_id":5,"integration":"shop"}`, 200, `{"results":[{"success":true,"automation_id":12,"goal_id":3,"message":"ok"}]}`, []GoalResult{{AutomationID: "12", GoalID: "3", Success: true, Message: "ok"}}},
		{"sequences.add", func(ctx context.Context, c *Client) (any, error) {
			return c.AddToSequence(ctx, "12", "3", []string{"5", "6"})
		},
			"POST", "/rest/v2/automations/12/sequences/3:addContacts", `{"contact_ids":["5","6"]}`, 200, `{"add_to_automation_sequence_results":{"5":"ALREADY_IN_SEQUENCE"}}`, map[string]SequenceResult{"5": SequenceAlreadyIn, "6": SequenceUnanswered}},
		{"sequences.remove", func(ctx context.Context, c *Client) (any, error) {
			return c.RemoveFromSequence(ctx, "12", "3", []string{"5"})
		},
			"POST", "/rest/v2/campaigns/12/sequences/3:removeContacts", `{"contact_ids":["5"]}`, 200, `{"remove_from_sequence_results":{"5":"SUCCESS"}}`, map[string]SequenceResult{"5": SequenceSuccess}},
		{"emails.send_template", func(ctx context.Context, c *Client) (any, error) {
			return none(c.SendTemplate(ctx, "77", "1", []string{"5"}))
		},
			"POST", "/rest/v2/emails/templates:send", `{"contact_ids":["5"],"template_id":"77","user_id":"1"}`, 202, ``, nil},
		{"automations.list", func(ctx context.Context, c *Client) (any, error) { return collect(c.Automations(ctx, nil)) },
			"GET", "/rest/v2/automations?page_size=25", "", 200, `{"automations":[{"id":"12","title":"Welcome","status":"PUBLISHED"}]}`, []Automation{{ID: "12", Title: "Welcome", Published: true}}},
		{"campaigns.list", func(ctx context.Context, c *Client) (any, error) { return collect(c.Campaigns(ctx, nil)) },
			"GET", "/rest/v2/campaigns?page_size=1000", "", 200, `{"campaigns":[{"id":"12","name":"Welcome"}]}`, []Campaign{{ID: "12", Name: "Welcome"}}},
		{"templates.list", func(ctx context.Context, c *Client) (any, error) { return collect(c.EmailTemplates(ctx, nil)) },
			"GET", "/rest/v2/emails/templates?page_size=1000", "", 200, `{"email_templates":[{"id":77,"piece_title":"Thanks","subject":"s"}]}`, []EmailTemplate{{ID: "77", Title: "Thanks", Subject: "s"}}},
		{"campaigns.get", func(ctx context.Context, c *Client) (any, error) { return c.Campaign(ctx, "12") },
			"GET", "/rest/v1/campaigns/12?optional_properties=goals%2Csequences", "", 200, `{"id":12,"name":"Welcome","goals":[{"id":1,"name":"Form","type":"WebForm"}],"sequences":[{"id":3,"name":"Mails"}]}`,
			Campaign{ID: "12", Name: "Welcome", Goals: []CampaignPart{{ID: "1", Name: "Form", Type: "WebForm"}}, Sequences: []CampaignPart{{ID: "3", Name: "Mails"}}}},
	}
}

func activityOperations() []operation {
	return []operation{
		{"notes.create as a user", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateNote(ctx, Note{ContactID: "5", Body: "b", UserID: "1"})
		},
			"POST", "/rest/v2/contacts/5/notes", `{"text":"b","type":"Other","user_id":"1"}`, 201, `{"id":"9"}`, "9"},
		{"notes.create", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateNote(ctx, Note{ContactID: "5", Title: "t", Body: "b"})
		},
			"POST", "/rest/v1/notes", `{"body":"b","contact_id":5,"title":"t"}`, 201, `{"id":9}`, "9"},
		{"notes.list", func(ctx context.Context, c *Client) (any, error) { return c.Notes(ctx, "5") },
			"GET", "/rest/v2/contacts/5/notes?order_by=create_time+desc&page_size=1000", "", 200, `{"notes":[{"id":"9","title":"t","text":"b","assigned_to_user":{"id":"1"},"create_time":"2026-11-27T09:00:00.000Z"}]}`,
			[]Note{{ID: "9", ContactID: "5", Title: "t", Body: "b", UserID: "1", Created: orderedAt.UTC()}}},
		{"tasks.create for a user", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateTask(ctx, Task{ContactID: "5", Title: "t", Description: "d", Due: orderedAt, Remind: time.Hour, UserID: "1"})
		},
			"POST", "/rest/v2/tasks", `{"assigned_to_user_id":"1","contact_id":"5","description":"d","due_time":"2026-11-27T09:00:00.000Z","remind_time_mins":60,"title":"t"}`, 201, `{"id":"9"}`, "9"},
		{"tasks.create", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateTask(ctx, Task{ContactID: "5", Title: "t", Due: orderedAt})
		},
			"POST", "/rest/v1/tasks", `{"contact":{"id":5},"due_date":"2026-11-27T09:00:00.000Z","title":"t"}`, 200, `{"id":9}`, "9"},
		{"tasks.list", func(ctx context.Context, c *Client) (any, error) { return c.Tasks(ctx, "5") },
			"GET", "/rest/v2/tasks?filter=contact_id%3D%3D5&order_by=create_time+desc&page_size=1000", "", 200, `{"tasks":[{"id":"9","title":"t","contact_id":"5","assigned_to_user_id":"1","due_time":"2026-11-27T09:00:00.000Z"}]}`,
			[]Task{{ID: "9", ContactID: "5", Title: "t", UserID: "1", Due: orderedAt.UTC()}}},
	}
}

func orderOperations() []operation {
	return []operation{
		{"orders.create", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateOrder(ctx, Order{ContactID: "5", Title: "Order 7", Time: orderedAt, InvoiceNumber: "7", ExternalUser: "bridge", ExternalTime: orderedAt, PromoCodes: []string{"SAVE"},
				Items:        []OrderItem{{ProductID: "3", Quantity: 2, Price: "29.90", Name: " Hoodie "}, {Type: ItemTax, Name: "Tax", Quantity: 1, Price: "0.10"}},
				CustomFields: []CustomValue{{ID: "4", Content: "x"}}})
		},
			"POST", "/rest/v2/orders", `{"contact_id":"5","custom_fields":[{"id":"4","content":"x"}],"external_create_time":"2026-11-27T09:00:00.000Z","external_create_user":"bridge","invoice_number":"7",` +
				`"order_items":[{"item_type":"PRODUCT","product_id":"3","name":"Hoodie","quantity":2,"price_per_unit":29.90},{"item_type":"TAX","name":"Tax","quantity":1,"price_per_unit":0.10}],` +
				`"order_time":"2026-11-27T09:00:00.000Z","order_title":"Order 7","order_type":"ONLINE","promo_codes":["SAVE"]}`,
			201, `{"id":"8","invoice_id":"18","title":"Order 7","status":"DRAFT","total":{"amount":5990,"currency_code":"USD"},"total_due":{"amount":0,"currency_code":"USD"},"contact":{"id":"5"}}`,
			OrderRef{ID: "8", InvoiceID: "18", ContactID: "5", Title: "Order 7", Status: "DRAFT", Total: "59.90", TotalDue: "0.00", Currency: "USD"}},
		{"orders.items.add", func(ctx context.Context, c *Client) (any, error) {
			return c.AddOrderItem(ctx, "8", OrderItem{Type: ItemShipping, Quantity: 1, Price: "5"})
		},
			"POST", "/rest/v2/orders/8/items", `{"item_type":"SHIPPING","quantity":1,"price_per_unit":5}`, 201, `{"id":"1"}`, "1"},
		{"orders.get", func(ctx context.Context, c *Client) (any, error) { return c.Order(ctx, "8") },
			"GET", "/rest/v2/orders/8", "", 200, `{"id":"8","total":{"amount":1200,"currency_code":"JPY"}}`, OrderRef{ID: "8", Total: "1200", Currency: "JPY"}},
		{"orders.list", func(ctx context.Context, c *Client) (any, error) { return c.Orders(ctx, "5", orderedAt) },
			"GET", "/rest/v2/orders?filter=contact_id%3D%3D5%3Bcreated_since_time%3D%3D2026-11-27T09%3A00%3A00.000Z&order_by=id+desc&page_size=1000", "", 200,
			`{"orders":[{"id":"8","external_create_user":"bridge","invoice_number":"7","order_time":"2026-11-27T09:00:00Z"}]}`, []OrderRef{{ID: "8", ExternalUser: "bridge", InvoiceNumber: "7", Time: orderedAt.UTC()}}},
		{"payments.create", func(ctx context.Context, c *Client) (any, error) {
			return c.CreatePayment(ctx, "8", Payment{Amount: "-59.90", Time: orderedAt, Notes: "refund re_1", ExternalSource: "stripe", ExternalReference: "re_1"})
		},
			"POST", "/rest/v2/orders/8/payments", `{"apply_to_commissions":false,"external_source":"stripe","external_source_value":"re_1","notes":"refund re_1","payment_amount":-59.90,"payment_method_type":"Credit Card (Manual)","payment_time":"2026-11-27T09:00:00.000Z"}`,
			201, `{"id":"4"}`, "4"},
		{"payments.list", func(ctx context.Context, c *Client) (any, error) { return c.Payments(ctx, "8") },
			"GET", "/rest/v2/orders/8/payments?page_size=1000", "", 200, `{"invoice_order_payments":[{"id":"4","amount":59.90,"note":"n","pay_time":"2026-11-27T09:00:00.000Z"}]}`, []Payment{{ID: "4", Amount: "59.90", Notes: "n", Time: orderedAt.UTC()}}},
		{"products.list", func(ctx context.Context, c *Client) (any, error) { return c.FindProducts(ctx, "HOODIE") },
			"GET", "/rest/v2/products?filter=sku%3D%3DHOODIE&page_size=1000", "", 200, `{"products":[{"id":"3","sku":"HOODIE","name":"Hoodie","active":true,"price":{"amount":2990,"currency_code":"EUR"}},{"id":"4","sku":"HOODIE-2"}]}`,
			[]Product{{ID: "3", SKU: "HOODIE", Name: "Hoodie", Price: "29.90", Currency: "EUR", Active: true}}},
		{"products.create", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateProduct(ctx, Product{SKU: "HOODIE", Name: "Hoodie", Price: "29.9"})
		},
			"POST", "/rest/v2/products", `{"active":true,"name":"Hoodie","price":2990,"short_description":"Hoodie","sku":"HOODIE"}`, 201, `{"id":"3","sku":"HOODIE","active":true}`, Product{ID: "3", SKU: "HOODIE", Active: true}},
	}
}

func accountOperations() []operation {
	return []operation{
		{"opportunities.create", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateOpportunity(ctx, Opportunity{ContactID: "5", Title: "Deal", StageID: "2", RevenueHigh: "100.50", UserID: "1"})
		},
			"POST", "/rest/v2/opportunities", `{"contact_id":"5","opportunity_title":"Deal","projected_revenue_high":100.50,"stage_id":"2","user_id":"1"}`, 201, `{"id":"6"}`, "6"},
		{"companies.list", func(ctx context.Context, c *Client) (any, error) { return c.FindCompanies(ctx, "Example Ltd") },
			"GET", "/rest/v2/companies?filter=company_name%3D%3DExample+Ltd&page_size=1000", "", 200, `{"companies":[{"id":"9","company_name":"EXAMPLE LTD"},{"id":"10","company_name":"Example Ltd Holding"}]}`, []Company{{ID: "9", Name: "EXAMPLE LTD"}}},
		{"companies.create", func(ctx context.Context, c *Client) (any, error) { return c.CreateCompany(ctx, "Example Ltd") },
			"POST", "/rest/v2/companies", `{"company_name":"Example Ltd"}`, 201, `{"id":"9"}`, "9"},
		{"hooks.list", func(ctx context.Context, c *Client) (any, error) { return c.Hooks(ctx) },
			"GET", "/rest/v1/hooks", "", 200, `[{"key":"7","eventKey":"contact.add","hookUrl":"https://b.example.com/h","status":"Verified"}]`, []Hook{{Key: "7", EventKey: "contact.add", URL: "https://b.example.com/h", Status: "Verified"}}},
		{"hooks.event_keys", func(ctx context.Context, c *Client) (any, error) { return c.HookEventKeys(ctx) },
			"GET", "/rest/v1/hooks/event_keys", "", 200, `["contact.add","note.add"]`, []string{"contact.add", "note.add"}},
		{"hooks.create", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateHook(ctx, "contact.add", "https://b.example.com/h")
		},
			"POST", "/rest/v1/hooks", `{"eventKey":"contact.add","hookUrl":"https://b.example.com/h"}`, 200, `{"key":"7","status":"Unverified"}`, Hook{Key: "7", Status: "Unverified"}},
		{"hooks.verify", func(ctx context.Context, c *Client) (any, error) { return c.VerifyHook(ctx, "7") },
			"POST", "/rest/v1/hooks/7/verify", "", 200, `{"key":"7","status":"Verified"}`, Hook{Key: "7", Status: "Verified"}},
		{"hooks.delete", func(ctx context.Context, c *Client) (any, error) { return none(c.DeleteHook(ctx, "7")) },
			"DELETE", "/rest/v1/hooks/7", "", 404, `{"message":"no hook"}`, nil},
		{"account.profile", func(ctx context.Context, c *Client) (any, error) { return c.Profile(ctx) },
			"GET", "/rest/v1/account/profile", "", 200, `{"name":"Shop","currency_code":"USD","time_zone":"America/New_York"}`, Profile{Name: "Shop", Currency: "USD", TimeZone: "America/New_York"}},
		{"users.list", func(ctx context.Context, c *Client) (any, error) { return collect(c.Users(ctx, nil)) },
			"GET", "/rest/v2/users?page_size=100", "", 200, `{"users":[{"id":"1","given_name":"Olga","family_name":"O","status":"ACTIVE","email_addresses":[{"email":"o@example.com"}]}]}`,
			[]User{{ID: "1", GivenName: "Olga", FamilyName: "O", Email: "o@example.com", Status: "ACTIVE"}}},
		{"users.userinfo", func(ctx context.Context, c *Client) (any, error) { return c.UserInfo(ctx) },
			"GET", "/rest/v2/oauth/connect/userinfo", "", 200, `{"email":"ada@example.com","id":"1","is_admin":true,"tenant_id":"ab123"}`, UserInfo{Email: "ada@example.com", UserID: "1", Admin: true, Tenant: "ab123"}},
	}
}
