package app

import (
	"math"
	"os"
	"runtime/debug"
	goruntime "runtime/metrics"
)

// softMemory is what the process tries to stay within unless GOMEMLIMIT says otherwise: a million waiting events take
// some 315 MB with it, and twice as much without.
const softMemory = 300 << 20

// limitMemory has garbage collected earlier when memory comes near the limit. It is called before anything is opened and
// again when all is: what then lives must fit twice, or nothing but collecting would get done.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	live := []goruntime.Sample{{Name: "/gc/heap/live:bytes"}}
	goruntime.Read(live)
	debug.SetMemoryLimit(memoryLimit(live[0].Value.Uint64()))
}

// memoryLimit is the limit for so many bytes that live.
func memoryLimit(live uint64) int64 { return max(softMemory, int64(min(live, math.MaxInt64/2))*2) }
