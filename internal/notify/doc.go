// Package notify tells other systems what they asked to hear: that events failed or are in doubt, that an account
// does not call Keap, that a source is silent, and what Keap's own hooks said.
//
// Everything is read from the logs, where it is durable before anybody is told: a Follower keeps its position in a
// note of the queue, one for each receiver, and goes on there after a restart. A message may come twice (its id stays), none
// is lost while its receiver answers within a day. Receivers do not wait for one another.
//
// Webhook is a receiver over HTTP, signed as Standard Webhooks 1.0.0 says. Bodies are CloudEvents in structured mode.
// They name events by id and say why, and hold no personal data; whoever may see more asks the API.
package notify
