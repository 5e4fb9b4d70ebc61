// Package sources knows the senders: who sent this, is it true, what does it say.
//
// New builds one configured Source; its Open verifies a request and only then reads it, in one method, so that nobody
// reads without verifying. Each kind of sender is one file, its samples in testdata, its page in docs/senders and one
// line in the registry (kinds.go); Kinds lists them for documentation, checks and the console.
//
// The frame (frame.go, proof.go, decode.go, tree.go, shape.go) does what is the same for all: address, method, proof,
// limits, charsets, ids, old facts. A sender says how it proves itself, where things stand in its bodies, and which
// facts they are; that is about a hundred lines each, and there are thirty of them.
//
// What a sender leaves out is not asked for while it waits: Open marks the event (events.Event.Enrich), and the Enricher
// completes it behind the durable line. A Sweeper fetches what a sender that never retries failed to deliver.
//
// Use Parse only to show what a payload would mean; it checks no signature. Do not rely on the wording of refusals, nor
// on facts in the order in which a sender announces them: senders promise no order.
package sources
