package sandbox

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// maxRecords is how many mails one call may report.
const maxRecords = 1000

// v1Record and v2Record are a mail that was sent elsewhere and is reported to Keap. Contents are Base64.
type v1Record struct {
	ID       ref     `json:"id,omitempty"`
	Contact  ref     `json:"contact_id,omitempty"`
	Subject  string  `json:"subject,omitempty"`
	Headers  string  `json:"headers,omitempty"`
	To       string  `json:"sent_to_address"`
	CC       string  `json:"sent_to_cc_addresses,omitempty"`
	BCC      string  `json:"sent_to_bcc_addresses,omitempty"`
	From     string  `json:"sent_from_address,omitempty"`
	Reply    string  `json:"sent_from_reply_address,omitempty"`
	Sent     instant `json:"sent_date,omitzero"`
	Received instant `json:"received_date,omitzero"`
	Opened   instant `json:"opened_date,omitzero"`
	Clicked  instant `json:"clicked_date,omitzero"`
	HTML     string  `json:"html_content,omitempty"`
	Plain    string  `json:"plain_content,omitempty"`
	Origin   string  `json:"original_provider,omitempty"`
	OriginID string  `json:"original_provider_id,omitempty"`
	SourceID string  `json:"provider_source_id,omitempty"`
}

type v2Record struct {
	ID       string   `json:"id,omitempty"`
	Contact  string   `json:"contact_id,omitempty"`
	Subject  string   `json:"subject,omitempty"`
	Headers  string   `json:"headers,omitempty"`
	To       string   `json:"sent_to_address"`
	CC       []string `json:"sent_to_cc_address_list,omitempty"`
	BCC      []string `json:"sent_to_bcc_address_list,omitempty"`
	From     string   `json:"sent_from_address,omitempty"`
	Reply    string   `json:"sent_from_reply_address,omitempty"`
	Sent     instant  `json:"sent_time,omitzero"`
	Received instant  `json:"received_time,omitzero"`
	Opened   instant  `json:"opened_time,omitzero"`
	Clicked  instant  `json:"clicked_time,omitzero"`
	HTML     string   `json:"html_content,omitempty"`
	Plain    string   `json:"plain_content,omitempty"`
	Origin   string   `json:"original_provider,omitempty"`
	OriginID string   `json:"original_provider_id,omitempty"`
	SourceID string   `json:"provider_source_id,omitempty"`
}

// failedRecord is a mail that could not be filed.
type failedRecord[R any] struct {
	Error string `json:"error_message"`
	Email R      `json:"email"`
}

// recordEmails is v1's POST /emails/sync and v2's POST /emails:batchAdd: 201 even where some could not be filed.
func recordEmails(t *tenant, c *call) reply {
	if c.version == 2 {
		return record(t, c, func(r *v2Record) (Email, func(ref)) {
			return Email{ContactID: r.Contact, Subject: r.Subject, To: r.To, From: r.From, HTML: r.HTML, Text: r.Plain, At: r.Sent.Time},
				func(id ref) { r.ID = id.String() }
		})
	}
	return record(t, c, func(r *v1Record) (Email, func(ref)) {
		return Email{ContactID: r.Contact.text(), Subject: r.Subject, To: r.To, From: r.From, HTML: r.HTML, Text: r.Plain, At: r.Sent.Time},
			func(id ref) { r.ID = id }
	})
}

func record[R any](t *tenant, c *call, read func(*R) (e Email, number func(ref))) reply {
	var in struct {
		Emails []R `json:"emails"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if len(in.Emails) == 0 || len(in.Emails) > maxRecords {
		return c.bad(fmt.Sprintf("emails must hold 1 to %d records", maxRecords))
	}
	filed, failed := []R{}, []failedRecord[R]{}
	for i := range in.Emails {
		e, number := read(&in.Emails[i])
		id, err := t.recordEmail(c, e)
		if err != nil {
			failed = append(failed, failedRecord[R]{err.Error(), in.Emails[i]})
			continue
		}
		number(id)
		filed = append(filed, in.Emails[i])
	}
	return created(map[string]any{"emails": filed, "errors": failed})
}

// recordEmail files one; its contact is found by the address where no id is given.
func (t *tenant) recordEmail(c *call, e Email) (ref, error) {
	html, err1 := base64.StdEncoding.DecodeString(e.HTML)
	plain, err2 := base64.StdEncoding.DecodeString(e.Text)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("html_content and plain_content must be Base64")
	}
	e.HTML, e.Text, e.Recorded = string(html), string(plain), true
	if held := t.holders(e.To); e.ContactID == "" && len(held) > 0 {
		e.ContactID = held[0].id.String()
	}
	x, found := t.contactByID(parseRef(e.ContactID))
	if !found {
		return 0, fmt.Errorf("no contact for %s", strings.TrimSpace(e.To))
	}
	if e.At.IsZero() {
		e.At = c.now
	}
	c.about("contact", x.id)
	id := t.emails.put(0, &e)
	e.ID = id.String()
	return id, nil
}
