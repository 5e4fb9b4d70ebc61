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

// memoryLook is how often limit and pace are held against what lives.
const memoryLook = time.Second

// A process that takes webhooks allocates hundreds of megabytes a second while hardly anything of it lives on. At Go's usual
// pace it would collect forty times a second, which was an eighth of its processor time: it is given room for so much
// garbage. Without much to do it keeps to the usual pace, and stays small.
const (
	busyGarbage = 64 << 20
	busyRate    = 32 << 20 // bytes allocated a second
	usualPace   = 100      // GOGC
	mostPace    = 800
)

// watchMemory lets limit and pace follow what lives, until ctx ends: a thousand quota groups at work need more than none.
func watchMemory(ctx context.Context) error {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	pace, before := usualPace, uint64(math.MaxUint64)
	for {
		select {
		case <-ctx.Done():
			if pace != usualPace {
				setPace(usualPace)
			}
			return nil
		case <-tick.C:
			limitMemory()
			live, allocated := heap()
			wanted := pacing(live, allocated-min(before, allocated))
			if before = allocated; wanted > pace+pace/4 || wanted < pace-pace/4 { // changing it stops the world for a moment
				pace = wanted
				setPace(pace)
			}
		}
	}
}

// pacing is the pace for so many bytes that live, and so many allocated in the time between two looks.
func pacing(live, allocated uint64) int {
	if allocated < busyRate {
		return usualPace
	}
	return int(min(max(busyGarbage*100/max(live, 1), usualPace), mostPace))
}

// setPace leaves what GOGC says alone.
func setPace(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// limitMemory has garbage collected earlier when memory comes near the limit. What lives must fit two and a half times, or
// nothing but collecting would get done.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	live, _ := heap()
	if limit := memoryLimit(live); limit != debug.SetMemoryLimit(-1) {
		debug.SetMemoryLimit(limit)
	}
}

// heap tells how many bytes live, as of the last collection, and how many were ever allocated.
func heap() (live, allocated uint64) {
	s := []goruntime.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	goruntime.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// memoryLimit is the limit for so many bytes that live.
func memoryLimit(live uint64) int64 { return max(softMemory, int64(min(live, math.MaxInt64/5))/2*5) }
