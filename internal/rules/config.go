package rules

// Rule is one entry of the rules of an account: either a rule of its own, or the rules of a rule set (Use).
type Rule struct {
	Name     string   `yaml:"name" doc:"unique within the account; shown in the console and in costs"`
	On       []string `yaml:"on" doc:"event types: order.paid, a list, or patterns such as order.*"`
	Priority string   `yaml:"priority" enum:"urgent,normal,bulk" doc:"normal by default"`
	When     string   `yaml:"when" doc:"a CEL condition over event, source and now"`
	Do       []Step   `yaml:"do" doc:"steps, in the order in which they are done"`
	Created  []Step   `yaml:"created" doc:"further steps when the contact was created"`
	Updated  []Step   `yaml:"updated" doc:"further steps when the contact existed"`
	OnDoubt  string   `yaml:"on_doubt" enum:"hold,repeat" doc:"what to do with a step that may have happened; hold by default"`
	Tests    []Test   `yaml:"tests" doc:"payloads and what they should come to, run by bridge check"`

	Use  string         `yaml:"use" doc:"the name of a rule set whose rules stand here"`
	With map[string]any `yaml:"with" doc:"the rule set's parameters: with.name in its expressions"`
}

// Step is one step of a rule; exactly one of its fields is set. Every text may hold {{ CEL }}.
type Step struct {
	Contact   *Contact  `yaml:"contact" doc:"writes the event's contact"`
	Tag       []string  `yaml:"tag" doc:"tags to apply, by name or id; an empty name is skipped"`
	Untag     []string  `yaml:"untag" doc:"tags to remove"`
	ActionSet []string  `yaml:"action_set" doc:"ids of action sets to run"`
	Goal      *Goal     `yaml:"goal" doc:"an API goal to achieve"`
	Sequence  *Sequence `yaml:"sequence" doc:"a sequence of an automation to enter or leave"`
	Note      *Note     `yaml:"note" doc:"a note on the contact"`
	Task      *Task     `yaml:"task" doc:"a task for somebody"`
	Order     *Order    `yaml:"order" doc:"an order record with its items and, where paid, its payment"`
	Email     *Email    `yaml:"email" doc:"a template e-mail to the contact"`
}

// Contact says what is written besides the event's own contact fields.
type Contact struct {
	OptIn   string            `yaml:"opt_in" doc:"why the contact may be written to (opt_in_reason)"`
	Fields  map[string]string `yaml:"fields" doc:"custom fields, by label or field name"`
	Company string            `yaml:"company" doc:"company record to link, by name"`
	Owner   *Owner            `yaml:"owner" doc:"Keap user id, or round_robin; given to new contacts only, one call more"`
	UTM     map[string]string `yaml:"utm" doc:"campaign, content, medium, source, term"`
}

// Owner is one Keap user, or several who take turns. In YAML a bare id stands for one user.
type Owner struct {
	User       string   `yaml:"user" doc:"Keap user id"`
	RoundRobin []string `yaml:"round_robin" doc:"Keap user ids who take turns"`
}

// UnmarshalText takes a bare user id.
func (o *Owner) UnmarshalText(b []byte) error {
	o.User = string(b)
	return nil
}

// Goal is an API goal of an automation.
type Goal struct {
	Integration string `yaml:"integration" doc:"the goal's integration name"`
	Call        string `yaml:"call" doc:"the goal's call name"`
}

// Sequence is a sequence of an automation.
type Sequence struct {
	Automation string `yaml:"automation" doc:"id of the automation (campaign)"`
	Sequence   string `yaml:"sequence" doc:"id of the sequence"`
	Remove     bool   `yaml:"remove" doc:"take the contact out instead"`
}

// Note is a note on the contact; a title or a body is needed.
type Note struct {
	Title string `yaml:"title"`
	Body  string `yaml:"body"`
	Type  string `yaml:"type" enum:"Appointment,Call,Email,Fax,Letter,Other"`
	User  string `yaml:"user" doc:"Keap user id; the account's user_id by default"`
}

// Task is a task for a Keap user.
type Task struct {
	Title string `yaml:"title"`
	Body  string `yaml:"body"`
	Due   string `yaml:"due" doc:"a date or an RFC 3339 time; at once by default"`
	User  string `yaml:"user" doc:"Keap user id; the account's user_id by default"`
}

// Order is an order record.
type Order struct {
	Title string `yaml:"title" doc:"title of the record; the order's number by default"`
}

// Email is a template e-mail.
type Email struct {
	Template string `yaml:"template" doc:"id of the template"`
	User     string `yaml:"user" doc:"Keap user id that it is sent as; the account's user_id by default"`
}

// Test is one payload and what the rule should make of it.
type Test struct {
	Payload     string            `yaml:"payload" doc:"file with a sender's body, relative to this file"`
	Source      string            `yaml:"source" doc:"the source that it comes from; the one that understands it by default"`
	Headers     map[string]string `yaml:"headers" doc:"its HTTP headers"`
	HeadersFile string            `yaml:"headers_file" doc:"its HTTP headers as a JSON object in a file"`
	Expect      Expect            `yaml:"expect"`
}

// Expect is what a test looks at; what is left out is not looked at.
type Expect struct {
	Events     []string          `yaml:"events" doc:"types of the events, in order"`
	Matches    *bool             `yaml:"matches" doc:"whether this rule matches"`
	Rules      []string          `yaml:"rules" doc:"all rules that match, in order"`
	Calls      *int              `yaml:"calls" doc:"Keap calls if the event ran alone"`
	Tags       []string          `yaml:"tags" doc:"tags applied"`
	Untags     []string          `yaml:"untags" doc:"tags removed"`
	Goals      []string          `yaml:"goals" doc:"integration/call"`
	Sequences  []string          `yaml:"sequences" doc:"automation/sequence"`
	ActionSets []string          `yaml:"action_sets" doc:"ids"`
	Emails     []string          `yaml:"emails" doc:"template ids"`
	Fields     map[string]string `yaml:"fields" doc:"custom fields and their texts"`
	Notes      []string          `yaml:"notes" doc:"titles"`
	Tasks      []string          `yaml:"tasks" doc:"titles"`
	Reason     string            `yaml:"reason" doc:"why the payload means nothing (ignored)"`
}
