// Command bench measures how fast the bridge is and how much it needs, and prints every figure with its median, its
// spread and its bar, as a table and as JSON:
//
//	go run ./test/bench              everything, about a quarter of an hour
//	go run ./test/bench -only ingest,start -runs 5 -json out.json
//	go run ./test/bench -quick       every section for a moment: shows that it works, its figures mean nothing
//
// The bridge is built as it is released and runs as a process of its own, so that its processor time and memory can be
// read (from /proc: Linux only; elsewhere those figures are left out). The load comes from goroutines of this process,
// each with a kept-alive connection and at most one request on it; the sandbox that stands in for Keap, the plain
// server that the durable line is compared with, raw JetStream and a NATS server for several bridges are further
// processes. All of them share the machine's processors with the bridge.
//
// Figures of one run are taken in turn (first one server, then the next, then the first again …), and ratios are made
// within a run: what else the machine does moves both sides. Rely on ratios and medians more than on single figures.
package main
