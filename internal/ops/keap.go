package ops

import (
	"context"
	"time"

	"bridge/internal/events"
)

// Keap asks Keap on behalf of people. Every call spends a permit of the account's quota, like the calls for events.
// Errors that a person may read are *Error.
type Keap interface {
	// Prove looks whether the account's keys work and whether Keap has what is named. With nil names only keys are
	// shown, one call each; otherwise action sets are listed too.
	Prove(ctx context.Context, account string, names []Name) (Proof, error)
	// Hooks lists the account's hook subscriptions: those that the configuration wants and others at our address.
	Hooks(ctx context.Context, account string) ([]Hook, error)
	// SyncHooks makes the subscriptions what the configuration wants.
	SyncHooks(ctx context.Context, account string) ([]Hook, error)
	// BeginLogin gives the page where a person allows access. redirect is where the browser is sent with the code, ""
	// for what the configuration says.
	BeginLogin(ctx context.Context, account, redirect string) (Login, error)
	// EndLogin turns the code that came back into tokens and stores them.
	EndLogin(ctx context.Context, account, state, code string) (Credential, error)
}

// Name is something in Keap that a configuration refers to. Kinds are those of rules.Named.
type Name struct {
	Kind string `json:"kind"` // tag, custom field, goal, sequence, template, user, action set
	Name string `json:"name"`
}

// Proof is what Keap says of an account's keys and of what its configuration names.
type Proof struct {
	Keys       []KeyProof  `json:"keys"`
	Names      []NameProof `json:"names"`
	ActionSets []ActionSet `json:"action_sets"`                 // all that Keap has, with what replaces them
	Unlisted   string      `json:"action_sets_error,omitempty"` // why ActionSets is not known
}

// KeyProof is whether one key works.
type KeyProof struct {
	Credential
	Works  bool   `json:"works"`
	App    string `json:"app,omitempty"`  // application code that Keap tells
	User   string `json:"user,omitempty"` // e-mail address of the user that the key stands for
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Denied bool   `json:"denied,omitempty"` // Keap refused it, rather than not being reached
}

// Found says whether Keap has something.
type Found string

// What can be found out.
const (
	FoundYes     Found = "yes"
	FoundNo      Found = "no"
	FoundLater   Found = "created"      // Keap does not have it; the bridge makes it when it is first needed
	FoundUnknown Found = "not provable" // Keap does not tell
)

// NameProof is whether Keap has one thing.
type NameProof struct {
	Name
	Found  Found  `json:"found"`
	ID     string `json:"id,omitempty"`     // in Keap
	Detail string `json:"detail,omitempty"` // why not, or what it is called there
}

// Hook is one hook subscription, or one that is wanted.
type Hook struct {
	Source string `json:"source"`
	Event  string `json:"event"`         // Keap's event key: contact.add
	Key    string `json:"key,omitempty"` // of the subscription; "" when there is none
	Status string `json:"status"`        // Keap's own word, or "missing"
	Wanted bool   `json:"wanted"`        // a rule or notify: names it
	Done   string `json:"done,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Login is a login that somebody has to finish in a browser before it ends.
type Login struct {
	URL      string    `json:"url"`
	State    string    `json:"state"`
	Redirect string    `json:"redirect"`
	Ends     time.Time `json:"ends"`
}

// Prove looks whether an account's keys work and whether Keap has what is named.
func (d *Desk) Prove(ctx context.Context, account string, names []Name) (Proof, error) {
	if err := d.reaches(ctx, account); err != nil {
		return Proof{}, err
	}
	return d.Keap.Prove(ctx, account, names)
}

// Hooks lists an account's hook subscriptions.
func (d *Desk) Hooks(ctx context.Context, account string) ([]Hook, error) {
	if err := d.reaches(ctx, account); err != nil {
		return nil, err
	}
	return d.Keap.Hooks(ctx, account)
}

// SyncHooks makes an account's hook subscriptions what the configuration wants.
func (d *Desk) SyncHooks(ctx context.Context, who, account string) ([]Hook, error) {
	if err := d.reaches(ctx, account); err != nil {
		return nil, err
	}
	if err := d.audit(ctx, events.Outcome{Who: who, Action: "sync hooks", Account: account}); err != nil {
		return nil, err
	}
	return d.Keap.SyncHooks(ctx, account)
}

// BeginLogin begins an OAuth2 login.
func (d *Desk) BeginLogin(ctx context.Context, account, redirect string) (Login, error) {
	if err := d.reaches(ctx, account); err != nil {
		return Login{}, err
	}
	return d.Keap.BeginLogin(ctx, account, redirect)
}

// EndLogin ends an OAuth2 login with the code that the browser brought back.
func (d *Desk) EndLogin(ctx context.Context, who, account, state, code string) (Credential, error) {
	if err := d.reaches(ctx, account); err != nil {
		return Credential{}, err
	}
	if state == "" || code == "" {
		return Credential{}, fail(Invalid, "", "code and state are needed, as they stand in the address that the browser was sent to")
	}
	if err := d.audit(ctx, events.Outcome{Who: who, Action: "login", Account: account}); err != nil {
		return Credential{}, err
	}
	return d.Keap.EndLogin(ctx, account, state, code)
}

// reaches tells whether this process can ask Keap for an account.
func (d *Desk) reaches(ctx context.Context, account string) error {
	if d.Keap == nil {
		return fail(NotFound, "", "this process does not ask Keap")
	}
	_, err := d.Account(ctx, account)
	return err
}
