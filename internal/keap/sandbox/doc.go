// Package sandbox is a simulator of Keap's API: REST v1, REST v2, XML-RPC and the OAuth2 token endpoint, with
// Keap's quotas, headers and error bodies, and with faults on demand.
//
// Use [New] and serve the [Server] over HTTP, or take its [Server.Transport] and call it in memory, which also
// works in virtual time (testing/synctest): no goroutine of it outlives a call, and it waits only under the request's context.
// Paths: /crm/rest/v1/…, /crm/rest/v2/…, /crm/xmlrpc/v1, /token, /app/oauth/authorize; control under /sandbox/….
//
// Rely on it for: which effects a call had and how often (State), what was called and how close to the quota
// (Calls, Log), and how Keap misbehaves (Settings, Fault). Where Keap's behaviour is documented, it is followed;
// where sources disagree or are silent, the choice is named at the code that makes it, and is a setting where a
// client could depend on it. Do not rely on it for what it does not have: an operation that is not simulated
// answers 501 with its method and path, never a made-up success. It keeps nothing on disk.
//
// Read sandbox.go (a request in, an answer out), call.go (the gateway: credential, quota, fault, operation), route.go
// and the two tables of operations; then a file or two per resource. shelf.go keeps lists in order, roll.go and column.go
// what can be searched by, search.go finds it; window.go and quota.go count calls, xmlrpc*.go is apart. It is large
// because two versions of an API word everything differently: the shapes are written out, one struct for each, so that a
// reader can hold them against Keap's documents.
//
// The package imports nothing of the client on purpose: a field name misspelt in shared structs would be
// misspelt on both sides and no test would see it.
package sandbox
