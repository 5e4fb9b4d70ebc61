// Package keap is Keap's API as Go: REST v2, REST v1 where v2 lacks an operation or would wipe what was not sent,
// and XML-RPC for action sets alone. It knows nothing of events and can be lifted out as a library.
//
// New makes a Client for one credential; every method makes exactly one HTTP request, so that a caller can pay
// one permit for one call. The exceptions are named: iterators (Tags, Users, …) take a permit function for each
// page, a 401 is confirmed by a second try (Options.Extra is asked first), the first goal sent to a Keap without
// the v2 operation is sent again over v1, and OAuth2 tokens are refreshed at the token endpoint, which no
// quota counts. Every answer's quota headers go to Options.Observe.
//
// Every failure is an *Error. Its Kind says what happened, Sent whether a request may have reached Keap (what is
// not safe to repeat is then in doubt), Message and Hint are for people and hold no secret. Keap has no idempotency
// key: repeating CreateContact, CreateOrder, CreatePayment, CreateNote, CreateTask, SendTemplate, AchieveGoal and
// RunActionSet does the thing again; everything else here is safe to repeat.
//
// Ids are opaque text, as in v2; where v1 wants numbers, they are checked and sent as numbers. Money is decimal
// text (Decimal) and never passes through a float. Lengths and types are checked before anything is sent.
//
// Facts about Keap that its specifications leave open are marked "undocumented" where the code relies on one.
package keap
