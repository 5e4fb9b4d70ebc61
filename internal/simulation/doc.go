// Package simulation runs whole days of the bridge in seconds of virtual time: a workload of arrivals, an in-memory
// queue, the real dispatch, calls, quota and keap packages, and the sandbox with strict windows at the far end. Its
// tests hold the planner to its figures; its benchmark prints them beside their bars.
//
// Everything random comes from one seed: arrivals, latencies, faults, restarts and what others spend. A run prints its
// seed, and -seed repeats it. What a day should have come to is computed apart (Expect) and so is the least number of
// calls that it can take (Bounds).
//
// It is support for tests: it may import every package and none imports it. Do not read real speed from it: time
// stands still while the processor works.
package simulation
