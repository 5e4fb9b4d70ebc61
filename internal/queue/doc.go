// Package queue keeps events from the moment they are accepted until a verdict settles them. It owns durability:
// what Accept has answered for is on disk (fsync, or a quorum on a cluster), and only this package acknowledges.
//
// Use it through a Queue: Open connects to an embedded or external NATS server, Accept takes events (the durable
// line), Start routes and works them through the seams in seams.go, Tail follows what happened. JetStream is the
// truth; everything kept in memory here can be lost at any moment without losing or doubling an event.
//
// Streams: INTAKE (bundles of accepted events) and INGEST (what publishers send) stand in front; the router writes
// each event once to EVENTS and a pointer to WORK; OUTCOMES is the log of what became of them, FAILED has one
// slot per event that needs a person. KV_memory remembers the steps of events, KV_ledger who owns what.
//
// Do not rely on: an order between contacts, a delivery happening only once (steps are remembered for that), or on the
// duplicates window of JetStream for more than races (resends are recognised through an index of the log).
package queue
