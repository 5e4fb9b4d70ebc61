// Package console is what operators see of the bridge over HTTP: pages for people, a JSON API for programs (described
// by /openapi.json), health, and the door to the metrics. It decides who may do what; what is done is ops' part.
//
// Use New and serve it on an address of its own, never on the one that takes webhooks. Close ends its live streams,
// which http.Server.Shutdown would wait for. Sessions are kept in memory: a restart asks browsers to log in again.
//
// Without a token it trusts whoever reaches it, so it then answers only to loopback host names; do not put a proxy in
// front of it in that mode.
package console
