package sandbox

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Template is an e-mail template.
type Template struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Subject string `json:"subject,omitempty"`
}

// Email is one e-mail to one contact. Marketable tells whether Keap would have delivered it as marketing.
type Email struct {
	ID         string    `json:"id"`
	ContactID  string    `json:"contact_id"`
	TemplateID string    `json:"template_id,omitempty"`
	UserID     string    `json:"user_id,omitempty"`
	Subject    string    `json:"subject,omitempty"`
	To         string    `json:"to,omitempty"`
	From       string    `json:"from,omitempty"`
	HTML       string    `json:"html,omitempty"`
	Text       string    `json:"text,omitempty"`
	Marketable bool      `json:"marketable"`
	Recorded   bool      `json:"recorded,omitempty"` // the client reported a mail that was sent elsewhere
	At         time.Time `json:"at"`
}

// mail records one e-mail for each contact that exists.
func (t *tenant) mail(c *call, contacts []ref, e Email) {
	c.about("contact", contacts...)
	for _, id := range contacts {
		x, found := t.contactByID(id)
		if !found {
			continue
		}
		row := e
		row.ContactID, row.At, row.To = id.String(), c.now, x.emails[0]
		if a := t.addresses[strings.ToLower(x.emails[0])]; a != nil {
			row.Marketable = a.status.marketable()
		}
		row.ID = t.emails.put(0, &row).String()
	}
}

// sendTemplate answers 202 without a body, whatever becomes of the mails.
func sendTemplate(t *tenant, c *call) reply {
	var in struct {
		Template ref    `json:"template_id"`
		Contacts []ref  `json:"contact_ids"`
		User     ref    `json:"user_id"`
		Address  string `json:"address_field"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.Template == 0 || len(in.Contacts) == 0 || in.User == 0 {
		return c.bad("template_id, contact_ids and user_id are required")
	}
	e := Email{TemplateID: in.Template.String(), UserID: in.User.String()}
	if tpl, ok := t.templates.get(in.Template); ok {
		e.Subject = cmp.Or(tpl.Subject, tpl.Title)
	} else if c.flags.knownOnly {
		return c.notFound("Email template", in.Template.String())
	}
	c.about("template", in.Template)
	t.mail(c, in.Contacts, e)
	return accepted()
}

type attachment struct {
	Name string `json:"file_name"`
	Data string `json:"file_data"`
}

// sendEmail is v1's POST /emails/queue and v2's POST /emails:send; contents are Base64.
func sendEmail(t *tenant, c *call) reply {
	var in struct {
		Contacts    []ref        `json:"contacts"`
		Subject     string       `json:"subject"`
		User        ref          `json:"user_id"`
		From        string       `json:"from_address"`
		HTML        string       `json:"html_content"`
		Plain       string       `json:"plain_content"`
		Address     string       `json:"address_field"`
		Attachments []attachment `json:"attachments"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if c.version == 1 && in.From != "" {
		return c.bad(unrecognized("from_address").Error())
	}
	if len(in.Contacts) == 0 || in.Subject == "" || (in.User == 0) == (in.From == "") {
		return c.bad("contacts, subject and one of user_id and from_address are required")
	}
	if len(in.Attachments) > 10 {
		return c.bad("At most 10 attachments are allowed")
	}
	html, err1 := base64.StdEncoding.DecodeString(in.HTML)
	text, err2 := base64.StdEncoding.DecodeString(in.Plain)
	if err1 != nil || err2 != nil {
		return c.bad("html_content and plain_content must be Base64")
	}
	t.mail(c, in.Contacts, Email{UserID: in.User.text(), Subject: in.Subject, From: in.From, HTML: string(html), Text: string(text)})
	return accepted()
}

type v2Template struct {
	ID      ref      `json:"id"` // a number, in v2 too
	Title   string   `json:"piece_title"`
	Kinds   []string `json:"categories"`
	From    string   `json:"from_address"`
	To      string   `json:"to_address"`
	Subject string   `json:"subject"`
	Type    string   `json:"content_type"`
}

func template2(id ref, x *Template) v2Template {
	return v2Template{id, x.Title, []string{}, "", "~Contact.Email~", cmp.Or(x.Subject, x.Title), "HTML"}
}

func listTemplates(t *tenant, c *call) reply {
	return reply2(c, "email_templates", pick(&t.templates, all, template2))
}

func getTemplate(t *tenant, c *call) reply {
	x, found := t.templates.get(c.id(0))
	if !found {
		return c.notFound("Email template", c.args[0])
	}
	return ok(template2(c.id(0), x))
}

type v1Mail struct {
	ID      ref    `json:"id"`
	Contact ref    `json:"contact_id"`
	Subject string `json:"subject"`
	To      string `json:"sent_to_address"`
	From    string `json:"sent_from_address"`
	Sent    string `json:"sent_date"`
}

type v2Mail struct {
	ID      string `json:"id"`
	Contact string `json:"contact_id"`
	Subject string `json:"subject"`
	To      string `json:"sent_to_address"`
	From    string `json:"sent_from_address"`
	Sent    string `json:"sent_time"`
}

func listEmails(t *tenant, c *call) reply {
	contact, address := c.query.Get("contact_id"), c.query.Get("email")
	if len(c.args) > 0 {
		contact = c.args[0]
	}
	if c.version == 2 {
		filter, err := c.filter("contact_id", "email", "start_created_time", "end_created_time")
		if err != nil {
			return c.bad(err.Error())
		}
		contact, address = valueOf(filter, "contact_id"), valueOf(filter, "email")
	}
	keep := func(_ ref, e *Email) bool {
		return (contact == "" || e.ContactID == contact) && (address == "" || strings.EqualFold(e.To, address))
	}
	if c.version == 2 {
		return reply2(c, "emails", pick(&t.emails, keep, func(_ ref, e *Email) v2Mail {
			return v2Mail{e.ID, e.ContactID, e.Subject, e.To, e.From, stamp(e.At)}
		}))
	}
	return reply1(c, "emails", pick(&t.emails, keep, func(id ref, e *Email) v1Mail {
		return v1Mail{id, parseRef(e.ContactID), e.Subject, e.To, e.From, stamp(e.At)}
	}))
}

// valueOf is the value of the filter of a name, "" where there is none.
func valueOf(filter []condition, name string) string {
	for _, f := range filter {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

type v2Status struct {
	Email   string `json:"email"`
	OptedIn bool   `json:"opted_in"`
	Status  string `json:"status"`
	Created string `json:"create_time"`
}

func (a *address) status2(email string) v2Status {
	return v2Status{email, a.status.marketable(), statusNames[a.status].v2, stamp(a.created)}
}

func emailStatus(t *tenant, c *call) reply {
	a, found := t.addresses[strings.ToLower(c.args[0])]
	if !found {
		return c.notFound("Email address", c.args[0])
	}
	return ok(a.status2(c.args[0]))
}

func listEmailStatuses(t *tenant, c *call) reply {
	filter, err := c.filter("emails", "statuses", "opted_in")
	if err != nil {
		return c.bad(err.Error())
	}
	emails := []string{}
	for e, a := range t.addresses {
		keep := true
		for _, f := range filter {
			switch f.name {
			case "emails":
				keep = keep && slices.Contains(strings.Split(strings.ToLower(f.value), ","), e)
			case "statuses":
				keep = keep && slices.Contains(strings.Split(f.value, ","), statusNames[a.status].v2)
			default:
				keep = keep && (f.value == "true") == a.status.marketable()
			}
		}
		if keep {
			emails = append(emails, e)
		}
	}
	slices.Sort(emails)
	rows := make([]v2Status, len(emails))
	for i, e := range emails {
		rows[i] = t.addresses[e].status2(e)
	}
	return reply2(c, "email_addresses", rows)
}

// setEmailStatus opts an address in or out: v1 PUT /emailAddresses/{e}, v2 PATCH …/status. After an opt-out the
// API cannot opt in again, but after one that was made by hand.
func setEmailStatus(t *tenant, c *call) reply {
	var in struct {
		OptedIn *bool  `json:"opted_in"`
		Reason  string `json:"reason"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.OptedIn == nil || in.Reason == "" {
		return c.bad("opted_in and reason are required")
	}
	email := c.args[0]
	if u, err := url.PathUnescape(email); err == nil {
		email = u
	}
	a, found := t.addresses[strings.ToLower(email)]
	if !found {
		return c.notFound("Email address", email)
	}
	if *in.OptedIn {
		a.optIn()
		for _, x := range a.holders {
			x.optIn = in.Reason
		}
	} else {
		a.status = system
	}
	if c.version == 2 {
		return ok(a.status2(email))
	}
	return ok(struct {
		Email   string `json:"email"`
		OptedIn bool   `json:"opted_in"`
		Status  string `json:"status"`
	}{email, a.status.marketable(), statusNames[a.status].app})
}
