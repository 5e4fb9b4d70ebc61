package app

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	goruntime "runtime/metrics"
	"time"
)

// softMemory is what the process tries to stay within unless GOMEMLIMIT says otherwise: a million waiting events take
// some 315 MB with it, and twice as much without.
const softMemory = 300 << 20

// memoryLook is how often the limit is held against what lives.
const memoryLook = 2 * time.Second

// watchMemory lets the limit follow what lives, until ctx ends: a thousand quota groups at work need more than none.
func watchMemory(ctx context.Context) error {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			limitMemory()
		}
	}
}

// limitMemory has garbage collected earlier when memory comes near the limit. What lives must fit two and a half times, or
// nothing but collecting would get done.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	live := []goruntime.Sample{{Name: "/gc/heap/live:bytes"}}
	goruntime.Read(live)
	debug.SetMemoryLimit(memoryLimit(live[0].Value.Uint64()))
}

// memoryLimit is the limit for so many bytes that live.
func memoryLimit(live uint64) int64 { return max(softMemory, int64(min(live, math.MaxInt64/5))/2*5) }
