package sandbox

import (
	"net/http"
	"strings"
	"testing"
)

// step is one call of the walk through every operation.
type step struct {
	method, path, body string
	status             int
}

// deviations are the answers that differ from Keap's documents on purpose, each with its reason.
var deviations = map[string]string{
	"POST /crm/rest/v1/contacts/1/tags": "production answers a map of results; the document says a list of {key}",
	"POST /crm/rest/v1/tags/1/contacts": "production answers a map of results; the document says a list of {key}",
}

// undocumented are properties that answers have and Keap's documents forget, by path of the document.
var undocumented = map[string][]string{
	"/v1/tasks":          {".id", ".tasks[].id"}, // a task without id could not be read again
	"/v1/tasks/search":   {".tasks[].id"},
	"/v1/tasks/{taskId}": {".id"},
}

// walk calls every operation that is simulated, in an order in which each finds what it needs.
var walk = []step{
	{"GET", "/crm/rest/v1/account/profile", "", 200},
	{"GET", "/crm/rest/v2/businessProfile", "", 200},
	{"GET", "/crm/rest/v1/oauth/connect/userinfo", "", 200},
	{"GET", "/crm/rest/v2/oauth/connect/userinfo", "", 200},
	{"GET", "/crm/rest/v1/users", "", 200},
	{"GET", "/crm/rest/v2/users?filter=email%3D%3Downer*", "", 200},
	{"GET", "/crm/rest/v2/users/1", "", 200},
	{"GET", "/crm/rest/v1/setting/application/enabled", "", 200},
	{"GET", "/crm/rest/v2/settings/applications:isEnabled", "", 200},
	{"GET", "/crm/rest/v1/setting/contact/optionTypes", "", 200},
	{"GET", "/crm/rest/v2/settings/contactOptionTypes", "", 200},
	{"GET", "/crm/rest/v1/locales/countries", "", 200},
	{"GET", "/crm/rest/v2/locales/countries", "", 200},
	{"GET", "/crm/rest/v1/locales/countries/USA/provinces", "", 200},
	{"GET", "/crm/rest/v2/locales/countries/USA/provinces", "", 200},
	{"GET", "/crm/rest/v1/merchants", "", 200},

	{"POST", "/crm/rest/v1/contacts/model/customFields", `{"label":"Last Order","field_type":"Text"}`, 201},
	{"POST", "/crm/rest/v2/contacts/model/customFields", `{"label":"Size","field_type":"DROPDOWN","options":[{"label":"S"},{"label":"M"}]}`, 201},
	{"GET", "/crm/rest/v1/contacts/model", "", 200},
	{"GET", "/crm/rest/v2/contacts/model", "", 200},
	{"POST", "/crm/rest/v1/companies", `{"company_name":"Acme"}`, 201},
	{"POST", "/crm/rest/v2/companies", `{"company_name":"Beta"}`, 201},
	{"GET", "/crm/rest/v1/companies?company_name=acme", "", 200},
	{"GET", "/crm/rest/v2/companies?filter=name%3D%3DB*", "", 200},
	{"GET", "/crm/rest/v1/companies/1", "", 200},
	{"GET", "/crm/rest/v2/companies/2", "", 200},

	{"PUT", "/crm/rest/v1/contacts", v1Everything, 200},
	{"PUT", "/crm/rest/v1/contacts", v1Everything, 200},
	{"POST", "/crm/rest/v1/contacts", `{"phone_numbers":[{"number":"+1 480 555 0100","field":"PHONE1"}]}`, 201},
	{"POST", "/crm/rest/v2/contacts", v2Everything, 201},
	{"POST", "/crm/rest/v2/contacts?duplicate_option=Email&fields=tag_ids,custom_fields,social_accounts,links,utm_parameters,job_title", v2Everything, 200},
	{"PATCH", "/crm/rest/v1/contacts/1?update_mask=family_name", `{"family_name":"Lee","given_name":"Not this"}`, 200},
	{"PATCH", "/crm/rest/v2/contacts/3?update_mask=family_name&update_mask=given_name", `{"family_name":"Moe"}`, 200},
	{"GET", "/crm/rest/v1/contacts?email=ann%40example.com&optional_properties=custom_fields,job_title&optional_properties=lead_source_id", "", 200},
	{"GET", "/crm/rest/v2/contacts?filter=email%3D%3Dbob*&fields=id,tag_ids,custom_fields&order_by=email+desc", "", 200},
	{"GET", "/crm/rest/v1/contacts/1?optional_properties=custom_fields,job_title,lead_source_id", "", 200},
	{"GET", "/crm/rest/v2/contacts/3", "", 200},
	{"POST", "/crm/rest/v1/contacts/1/utm", `{"keapSourceId":"k","utmSource":"shop"}`, 201},

	{"POST", "/crm/rest/v1/tags/categories", `{"name":"Shop"}`, 200},
	{"POST", "/crm/rest/v2/tags/categories", `{"name":"Web"}`, 201},
	{"GET", "/crm/rest/v2/tags/categories", "", 200},
	{"POST", "/crm/rest/v1/tags", `{"name":"Customer","category":{"id":1}}`, 200},
	{"POST", "/crm/rest/v2/tags", `{"name":"VIP","category":{"id":"2"}}`, 201},
	{"GET", "/crm/rest/v1/tags?name=customer&category=1", "", 200},
	{"GET", "/crm/rest/v2/tags?filter=name%3D%3Dv*%3Bcategory_id%3D%3D2", "", 200},
	{"GET", "/crm/rest/v1/tags/1", "", 200},
	{"GET", "/crm/rest/v2/tags/1", "", 200},
	{"PATCH", "/crm/rest/v2/tags/2?update_mask=name,category", `{"name":"VIPs","description":"not this","category":{"id":"1"}}`, 200},
	{"POST", "/crm/rest/v1/contacts/1/tags", `{"tagIds":[1,"2",99]}`, 200},
	{"POST", "/crm/rest/v1/tags/1/contacts", `{"ids":[1,3,99]}`, 200},
	{"POST", "/crm/rest/v2/tags/2/contacts:applyTags", `{"contact_ids":["1","3"]}`, 200},
	{"GET", "/crm/rest/v1/contacts/1/tags", "", 200},
	{"GET", "/crm/rest/v2/contacts/1/tags?filter=name%3D%3DCustomer", "", 200},
	{"GET", "/crm/rest/v1/tags/1/contacts", "", 200},
	{"GET", "/crm/rest/v2/tags/1/contacts", "", 200},
	{"GET", "/crm/rest/v2/contacts/1?fields=tag_ids,email_addresses,addresses,company,origin", "", 200},
	{"DELETE", "/crm/rest/v1/contacts/1/tags?ids=1%2C2", "", 204},
	{"DELETE", "/crm/rest/v1/contacts/1/tags/1", "", 204},
	{"DELETE", "/crm/rest/v1/tags/1/contacts?ids=3", "", 204},
	{"DELETE", "/crm/rest/v1/tags/1/contacts/3", "", 204},
	{"POST", "/crm/rest/v2/tags/2/contacts%3AremoveTags", `{"contact_ids":["1","3"]}`, 204},
	{"DELETE", "/crm/rest/v2/tags/2", "", 204},

	{"POST", "/crm/rest/v1/campaigns/goals/shop/bought", `{"contact_id":1}`, 201},
	{"POST", "/crm/rest/v2/automations/goals/achieve", `{"contact_id":1,"integration":"shop","call_name":"bought"}`, 200},
	{"POST", "/crm/rest/v2/automations/goals/achieve", `{"contact_id":"1","automation_id":1,"goal_id":1}`, 200},
	{"POST", "/crm/rest/v2/integrations/wordpress/options/optin:achieve", `{"contact_id":"1"}`, 202},
	{"POST", "/crm/rest/v1/campaigns/1/sequences/3/contacts", `{"ids":[1,99]}`, 200},
	{"POST", "/crm/rest/v1/campaigns/1/sequences/3/contacts/3", "", 204},
	{"POST", "/crm/rest/v2/automations/1/sequences/3:addContacts", `{"contact_ids":["1","2"]}`, 200},
	{"POST", "/crm/rest/v2/campaigns/1/sequences/3:addContacts", `{"contact_ids":["1"]}`, 200},
	{"GET", "/crm/rest/v1/campaigns", "", 200},
	{"GET", "/crm/rest/v1/campaigns/1?optional_properties=goals,sequences", "", 200},
	{"GET", "/crm/rest/v2/campaigns?filter=name%3D%3Dshop", "", 200},
	{"GET", "/crm/rest/v2/campaigns/1", "", 200},
	{"GET", "/crm/rest/v2/campaigns/1/goals", "", 200},
	{"GET", "/crm/rest/v2/campaigns/1/sequences", "", 200},
	{"GET", "/crm/rest/v2/automations?page_size=25", "", 200},
	{"GET", "/crm/rest/v2/automations/ids", "", 200},
	{"GET", "/crm/rest/v2/automations/1", "", 200},
	{"POST", "/crm/rest/v2/campaigns/1/sequences/3%3aremoveContacts", `{"contact_ids":["1"]}`, 200},
	{"DELETE", "/crm/rest/v1/campaigns/1/sequences/3/contacts", `{"ids":[2]}`, 204},
	{"DELETE", "/crm/rest/v1/campaigns/1/sequences/3/contacts/3", "", 204},

	{"POST", "/crm/rest/v1/emails/queue", `{"contacts":[1],"subject":"Hi","user_id":1,"html_content":"SGk="}`, 202},
	{"POST", "/crm/rest/v2/emails:send", `{"contacts":["1"],"subject":"Hi","from_address":"a@example.com","plain_content":"SGk="}`, 202},
	{"POST", "/crm/rest/v2/emails/templates:send", `{"template_id":"5","contact_ids":["1"],"user_id":"1"}`, 202},
	{"POST", "/crm/rest/v1/emails/sync", `{"emails":[{"sent_to_address":"ann@example.com","subject":"Hi","sent_date":"2026-11-23T08:00:00Z"},{"sent_to_address":"nobody@example.com"}]}`, 201},
	{"POST", "/crm/rest/v2/emails:batchAdd", `{"emails":[{"sent_to_address":"x@example.com","contact_id":"1","sent_time":"2026-11-23T08:00:00Z","sent_to_cc_address_list":["y@example.com"]},{"sent_to_address":"z@example.com"}]}`, 201},
	{"GET", "/crm/rest/v2/emails/templates", "", 200},
	{"GET", "/crm/rest/v2/emails/templates/5", "", 200},
	{"GET", "/crm/rest/v1/emails?contact_id=1", "", 200},
	{"GET", "/crm/rest/v1/contacts/1/emails", "", 200},
	{"GET", "/crm/rest/v2/emails?filter=contact_id%3D%3D1", "", 200},
	{"GET", "/crm/rest/v2/emailAddresses?filter=opted_in%3D%3Dtrue", "", 200},
	{"GET", "/crm/rest/v2/emailAddresses/ann@example.com/status", "", 200},
	{"PATCH", "/crm/rest/v2/emailAddresses/ann%40example.com/status", `{"opted_in":false,"reason":"asked"}`, 200},
	{"PUT", "/crm/rest/v1/emailAddresses/ann%40example.com", `{"opted_in":true,"reason":"asked"}`, 200},

	{"POST", "/crm/rest/v1/notes", `{"contact_id":1,"title":"Called","body":"…","type":"Call","user_id":1}`, 201},
	{"POST", "/crm/rest/v2/contacts/1/notes", `{"title":"Wrote","text":"…","user_id":"1","is_pinned":true}`, 201},
	{"GET", "/crm/rest/v1/notes?contact_id=1", "", 200},
	{"GET", "/crm/rest/v2/contacts/1/notes?filter=title%3D%3DWro*", "", 200},
	{"GET", "/crm/rest/v2/notes", "", 200},
	{"GET", "/crm/rest/v1/notes/model", "", 200},
	{"GET", "/crm/rest/v2/notes/model", "", 200},
	{"GET", "/crm/rest/v1/notes/1", "", 200},
	{"GET", "/crm/rest/v2/contacts/1/notes/2", "", 200},
	{"PATCH", "/crm/rest/v1/notes/1", `{"title":"Called again"}`, 200},
	{"DELETE", "/crm/rest/v1/notes/1", "", 204},
	{"DELETE", "/crm/rest/v2/contacts/1/notes/2", "", 204},
	{"POST", "/crm/rest/v1/tasks", `{"title":"Call","due_date":"2026-12-01T10:00:00.000Z","contact":{"id":1},"user_id":1,"remind_time":30}`, 200},
	{"POST", "/crm/rest/v2/tasks", `{"title":"Call","due_time":"2026-12-01T10:00:00.123456+01:00","contact_id":"1","assigned_to_user_id":"1","priority":"CRITICAL"}`, 201},
	{"GET", "/crm/rest/v1/tasks?contact_id=1", "", 200},
	{"GET", "/crm/rest/v1/tasks/search?completed=false", "", 200},
	{"GET", "/crm/rest/v2/tasks?filter=contact_id%3D%3D1%3Bpriority%3D%3DCRITICAL", "", 200},
	{"GET", "/crm/rest/v1/tasks/model", "", 200},
	{"GET", "/crm/rest/v2/tasks/model", "", 200},
	{"GET", "/crm/rest/v1/tasks/1", "", 200},
	{"GET", "/crm/rest/v2/tasks/2", "", 200},
	{"PATCH", "/crm/rest/v2/tasks/2", `{"completed":true}`, 200},
	{"PUT", "/crm/rest/v1/tasks/1", `{"id":1,"title":"Call again","due_date":"2026-12-02T10:00:00.000Z","contact":{"id":1}}`, 200},
	{"PATCH", "/crm/rest/v1/tasks/1", `{"completed":true}`, 200},
	{"DELETE", "/crm/rest/v1/tasks/1", "", 204},
	{"DELETE", "/crm/rest/v2/tasks/2", "", 204},

	{"POST", "/crm/rest/v1/products", `{"product_name":"Hoodie","sku":"HOODIE","product_price":45.5}`, 201},
	{"POST", "/crm/rest/v2/products", `{"name":"Cap","sku":"CAP","price":1250,"short_description":"A cap"}`, 201},
	{"GET", "/crm/rest/v1/products?active=true", "", 200},
	{"GET", "/crm/rest/v2/products?filter=sku%3D%3DCAP", "", 200},
	{"GET", "/crm/rest/v1/products/1", "", 200},
	{"GET", "/crm/rest/v2/products/2", "", 200},
	{"PATCH", "/crm/rest/v2/products/2", `{"price":1300}`, 200},
	{"POST", "/crm/rest/v1/orders", `{"contact_id":1,"order_date":"2026-11-23T08:00:00Z","order_title":"#1","order_type":"Online","order_items":[{"product_id":1,"quantity":2,"price":"45.50"}]}`, 201},
	{"POST", "/crm/rest/v2/orders", `{"contact_id":"1","order_time":"2026-11-23T08:00:00Z","order_title":"#2","order_type":"ONLINE","invoice_number":"W-2","order_items":[{"product_id":"2","quantity":1},{"item_type":"TAX","name":"VAT","quantity":1,"price_per_unit":2.5}]}`, 201},
	{"POST", "/crm/rest/v1/orders/1/items", `{"product_id":2,"quantity":1,"item_type":"SHIPPING","price":"4.95","description":"Post"}`, 201},
	{"POST", "/crm/rest/v2/orders/2/items", `{"item_type":"OTHER","name":"Wrap","quantity":1,"price_per_unit":1}`, 201},
	{"POST", "/crm/rest/v1/orders/1/payments", `{"payment_amount":"95.95","charge_now":false,"date":"2026-11-23T08:01:00Z","payment_method_type":"CASH","apply_to_commissions":true}`, 201},
	{"POST", "/crm/rest/v2/orders/2/payments", `{"payment_amount":5,"apply_to_commissions":false,"payment_method_type":"Other"}`, 201},
	{"POST", "/crm/rest/v2/orders/2/payments", `{"payment_amount":-2.5,"apply_to_commissions":false,"payment_method_type":"Other","notes":"refund"}`, 201},
	{"GET", "/crm/rest/v1/orders?contact_id=1&paid=true", "", 200},
	{"GET", "/crm/rest/v2/orders?filter=contact_id%3D%3D1%3Btitle%3D%3D%232", "", 200},
	{"GET", "/crm/rest/v1/orders/1", "", 200},
	{"GET", "/crm/rest/v2/orders/2", "", 200},
	{"GET", "/crm/rest/v1/orders/1/payments", "", 200},
	{"GET", "/crm/rest/v2/orders/2/payments", "", 200},
	{"GET", "/crm/rest/v1/orders/1/transactions", "", 200},
	{"GET", "/crm/rest/v1/transactions?contact_id=1", "", 200},
	{"GET", "/crm/rest/v1/orders/model", "", 200},
	{"GET", "/crm/rest/v2/orders/model", "", 200},
	{"DELETE", "/crm/rest/v1/orders/1/items/2", "", 204},
	{"DELETE", "/crm/rest/v2/orders/2/items/3", "", 204},
	{"DELETE", "/crm/rest/v1/orders/1", "", 204},
	{"DELETE", "/crm/rest/v2/orders/2", "", 204},
	{"DELETE", "/crm/rest/v1/products/1", "", 204},
	{"DELETE", "/crm/rest/v2/products/2", "", 204},

	{"GET", "/crm/rest/v1/opportunity/stage_pipeline", "", 200},
	{"GET", "/crm/rest/v2/opportunities/stages", "", 200},
	{"POST", "/crm/rest/v1/opportunities", `{"contact":{"id":1},"opportunity_title":"Deal","stage":{"id":1},"user":{"id":1}}`, 200},
	{"POST", "/crm/rest/v2/opportunities", `{"contact_id":"1","opportunity_title":"Deal","stage_id":"2","projected_revenue_low":10.5}`, 201},
	{"GET", "/crm/rest/v1/opportunities?stage_id=1", "", 200},
	{"GET", "/crm/rest/v2/opportunities?filter=contact_id%3D%3D1", "", 200},
	{"GET", "/crm/rest/v1/opportunities/1", "", 200},
	{"GET", "/crm/rest/v2/opportunities/2", "", 200},
	{"PATCH", "/crm/rest/v2/opportunities/2", `{"stage_id":"3"}`, 200},
	{"DELETE", "/crm/rest/v2/opportunities/2", "", 204},
	{"GET", "/crm/rest/v1/opportunities/model", "", 200},
	{"GET", "/crm/rest/v2/opportunities/model", "", 200},

	{"POST", "/crm/rest/v1/hooks", `{"eventKey":"contact.add","hookUrl":"https://example.com/hook"}`, 200},
	{"GET", "/crm/rest/v1/hooks", "", 200},
	{"GET", "/crm/rest/v1/hooks/event_keys", "", 200},
	{"GET", "/crm/rest/v1/hooks/1", "", 200},
	{"PUT", "/crm/rest/v1/hooks/1", `{"eventKey":"contact.edit","hookUrl":"https://example.com/hook"}`, 200},
	{"POST", "/crm/rest/v1/hooks/1/verify", "", 200},
	{"POST", "/crm/rest/v1/hooks/1/delayedVerify", "", 200},
	{"DELETE", "/crm/rest/v1/hooks/1", "", 204},

	{"POST", "/crm/rest/v2/contacts:merge", `{"contact_id":"1","duplicate_contact_id":"2"}`, 200},
	{"DELETE", "/crm/rest/v1/contacts/1", "", 204},
	{"DELETE", "/crm/rest/v2/contacts/3", "", 204},
}

const v1Everything = `{"duplicate_option":"EmailAndName","given_name":"Ann","family_name":"Lee","middle_name":"B","preferred_name":"Annie","prefix":"Dr",
"suffix":"Jr","job_title":"CTO","spouse_name":"Sam","website":"https://example.com","contact_type":"Lead","owner_id":1,"lead_source_id":4,"company":{"id":1},
"birthday":"1990-02-03","anniversary":"2015-06-07","time_zone":"America/Phoenix","preferred_locale":"en_US","opt_in_reason":"Asked","source_type":"API",
"origin":{"ip_address":"203.0.113.9"},"email_addresses":[{"email":"ann@example.com","field":"EMAIL1"},{"email":"ann2@example.com","field":"EMAIL2"}],
"phone_numbers":[{"number":"480 555 0101","extension":"7","type":"Work","field":"PHONE1","number_e164":"+14805550101"}],
"fax_numbers":[{"number":"480 555 0102","type":"Work","field":"FAX1"}],
"addresses":[{"field":"BILLING","line1":"1 Main St","line2":"","locality":"Chandler","region":"AZ","zip_code":"85225","zip_four":"1234","country_code":"USA"},
{"field":"SHIPPING","line1":"Hauptstr. 1","locality":"Berlin","postal_code":"10115","country_code":"DEU"}],
"custom_fields":[{"id":1,"content":"#17"},{"id":"2","content":"M"}],"social_accounts":[{"name":"ann","type":"LinkedIn"}]}`

const v2Everything = `{"given_name":"Bob","family_name":"Roe","middle_name":"C","preferred_name":"Bobby","prefix":"Mr","suffix":"Sr","job_title":"CFO",
"spouse_name":"Kim","website":"https://example.com","contact_type":"Lead","owner_id":"1","leadsource_id":"4","company":{"id":"2"},"birth_date":"1991-02-03",
"anniversary_date":"2016-06-07","time_zone":"America/Phoenix","preferred_locale":"en_US","source_type":"FORM_API_HOSTED","origin":{"ip_address":"203.0.113.9"},
"email_addresses":[{"email":"bob@example.com","field":"EMAIL1","opt_in_reason":"Asked"}],
"phone_numbers":[{"number":"480 555 0103","field":"PHONE1","type":"Mobile"}],"fax_numbers":[{"number":"1","field":"FAX1"}],
"addresses":[{"field":"BILLING","line1":"2 Main St","locality":"Toronto","region_code":"CA-ON","postal_code":"M5V","country_code":"CAN"}],
"custom_fields":[{"id":"1","content":"#18"}],"social_accounts":[{"name":"bob","type":"LINKED_IN"}],
"utm_parameters":{"keap_source_id":"k","utm_source":"shop"},"referral_code":"R","assistant_name":"Al","assistant_phone":"1","billing_information":"x"}`

// TestConformance walks through every operation and holds each answer against Keap's OpenAPI documents.
func TestConformance(t *testing.T) {
	specs := loadSpecs(t)
	s := newTest(t)
	s.mustSet(t, Settings{Quota: &Quota{Second: new(0), Minute: new(0)}})
	if err := s.Seed(Seed{Templates: []Template{{ID: "5", Title: "Welcome"}}}); err != nil {
		t.Fatal(err)
	}
	reached := map[string]bool{}
	for _, st := range walk {
		key := st.method + " " + st.path
		req, err := http.NewRequest(st.method, "https://api.example.com"+st.path, strings.NewReader(st.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+testKey)
		if strings.HasSuffix(st.path, "delayedVerify") {
			req.Header.Set("X-Hook-Secret", "told before")
		}
		r := s.send(req)
		if r.err != nil || r.status != st.status {
			t.Errorf("%s: answered %d %s (%v), want %d", key, r.status, r.body, r.err, st.status)
			continue
		}
		version, route, _ := match(st.method, req.URL.EscapedPath())
		reached[route.method+" v"+string(rune('0'+version))+" "+route.pattern] = true
		for prefix, doc := range specs {
			if !strings.HasPrefix(st.path, prefix) {
				continue
			}
			err := doc.validate(st.method, st.path, r)
			switch reason := deviations[key]; {
			case err != nil && reason == "":
				t.Errorf("%s: %v", key, err)
			case err == nil && reason != "":
				t.Errorf("%s: the deviation (%s) does not occur any more", key, reason)
			}
		}
	}
	for version, routes := range map[string][]route{" v1 ": v1Routes, " v2 ": v2Routes} {
		for _, r := range routes {
			if !reached[r.method+version+r.pattern] {
				t.Errorf("the walk does not reach %s%s%s", r.method, version, r.pattern)
			}
		}
	}
}
