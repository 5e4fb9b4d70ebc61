// Package simulation runs whole days of the bridge in seconds of virtual time: a workload of arrivals, an in-memory
// queue, the real dispatch, calls, quota and keap packages, and the sandbox with strict windows at the far end. Its
// tests hold the planner to its figures; its benchmark prints them beside their bars.
//
//	go test ./internal/simulation                        20 whole days and 200 times two hours, fresh seeds (make days)
//	go test ./internal/simulation -days 100 -runs 1000   more
//	go test ./internal/simulation -run TestHours -seed 4711           one run again
//	go test ./internal/simulation -run '^$' -bench BlackFriday        the table (make figures)
//
// Everything random comes from one seed: arrivals, latencies, faults, restarts and what others spend. A run is named by
// its seed, and -seed repeats it. What a day should have left in Keap is computed apart (Expect), and so is the least
// number of calls that it can take (Bounds).
//
// The queue in memory passes the same tests as package queue (TestQueuesAgree), but of durability it has none: a
// store that outlives the processes stands for it.
//
// It is support for tests: it may import every package and none imports it. Do not read real speed from it: time
// stands still while the processor works.
package simulation
