package events

// Reason says why an event is in its state. The list is closed and the same in logs, metric labels, API
// filters and the console; docs/reasons.md explains each one, and a test holds the two together.
type Reason string

// Reasons of settled events that need nobody.
const (
	NoReason  Reason = ""          // all steps ran
	NoRule    Reason = "no_rule"   // no rule matched; it cost nothing
	OldFact   Reason = "old_fact"  // older than the log remembers: a resend could not be told from it
	Stale     Reason = "stale"     // a later state of the same thing was already handled
	Duplicate Reason = "duplicate" // the log already holds this fact
	Ignored   Reason = "ignored"   // authentic, but no business fact (a ping, a test)
	Discarded Reason = "discarded" // an operator decided that it need not run
	Erased    Reason = "erased"    // the person's data was erased
)

// Reasons of parked events and paused accounts; they end by themselves unless said otherwise.
const (
	QuotaMinute  Reason = "quota.minute"    // Keap's minute window is closed
	QuotaDay     Reason = "quota.day"       // the day's calls are spent until 00:00 UTC
	QuotaTenant  Reason = "quota.tenant"    // a limit over all integrations of the Keap account
	Throttled    Reason = "quota.throttled" // Keap answered 429 and the window could not be told
	RetryWait    Reason = "retry"           // the last attempt failed in a way that may heal
	Brownout     Reason = "xmlrpc.brownout" // XML-RPC does not answer while REST does
	Unauthorized Reason = "keap.auth"       // Keap refuses the credential: needs a person
	RefreshLost  Reason = "keap.refresh"    // the OAuth2 refresh token was lost: needs a person (bridge keys login)
	Paused       Reason = "paused"          // an operator paused the account
	ShuttingDown Reason = "shutdown"        // the process stops; the next one goes on
	EnrichWait   Reason = "enrich.wait"     // the sender is being asked for what it left out
)

// Reasons of failed events: each needs a person.
const (
	BadSchema      Reason = "schema"                    // a message on NATS that is no CloudEvent of ours
	RuleError      Reason = "rule.error"                // an expression failed at run time
	ContactMissing Reason = "contact.missing"           // neither e-mail nor phone
	ContactUnknown Reason = "contact.unknown"           // not in Keap, and nothing in the plan creates it
	TagUnknown     Reason = "tag.unknown"               // the tag is not in Keap and tags.create forbids it
	FieldInvalid   Reason = "field.invalid"             // a value does not fit its field; nothing was cut
	TargetUnknown  Reason = "target.unknown"            // goal, sequence, template, owner or action set is not in Keap
	KeapRejected   Reason = "keap.rejected"             // a 4xx that will not heal
	KeapForbidden  Reason = "keap.forbidden"            // the credential may not do this
	NoReplacement  Reason = "action_set.no_replacement" // XML-RPC is gone and nothing replaces this action set
	AttemptsSpent  Reason = "attempts"                  // it failed as often as it may
	EnrichFailed   Reason = "enrich.failed"             // its sender did not say what is missing
	NotConfigured  Reason = "config"                    // its account, source or rule is not in the configuration
	Internal       Reason = "internal"                  // a mistake of the bridge itself
)

// UnknownOutcome is the reason of events in doubt: a step may have happened and Keap cannot tell.
const UnknownOutcome Reason = "unknown_outcome"

// Reasons is the closed list.
var Reasons = []Reason{
	NoRule, OldFact, Stale, Duplicate, Ignored, Discarded, Erased,
	QuotaMinute, QuotaDay, QuotaTenant, Throttled, RetryWait, Brownout, Unauthorized, RefreshLost, Paused, ShuttingDown, EnrichWait,
	BadSchema, RuleError, ContactMissing, ContactUnknown, TagUnknown, FieldInvalid, TargetUnknown, KeapRejected, KeapForbidden,
	NoReplacement, AttemptsSpent, EnrichFailed, NotConfigured, Internal, UnknownOutcome,
}

// State is where an event stands.
type State string

// The states of an event.
const (
	Waiting        State = "waiting"   // on disk, not yet worked
	Working        State = "working"   // in hand
	Parked         State = "parked"    // until a time, with a reason
	Failed         State = "failed"    // needs a person
	InDoubt        State = "in_doubt"  // a step may have happened; needs a person
	Done           State = "done"      // every step is marked
	StateDiscarded State = "discarded" // an operator dropped it
)

// States is the closed list.
var States = []State{Waiting, Working, Parked, Failed, InDoubt, Done, StateDiscarded}

// Settled tells whether the queue is finished with an event in this state.
func (s State) Settled() bool {
	return s == Failed || s == InDoubt || s == Done || s == StateDiscarded
}
