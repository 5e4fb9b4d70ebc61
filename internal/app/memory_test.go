package app

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	for live, want := range map[uint64]int64{0: softMemory, 40 << 20: softMemory, 400 << 20: 1000 << 20, math.MaxUint64: math.MaxInt64 / 5 / 2 * 5} {
		if got := memoryLimit(live); got != want {
			t.Errorf("%d live: %d, want %d", live, got, want)
		}
	}
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	t.Setenv("GOMEMLIMIT", "1GiB")
	debug.SetMemoryLimit(1 << 30)
	if limitMemory(); debug.SetMemoryLimit(-1) != 1<<30 {
		t.Error("what GOMEMLIMIT says was changed")
	}
	t.Setenv("GOMEMLIMIT", "")
	if limitMemory(); debug.SetMemoryLimit(-1) < softMemory || debug.SetMemoryLimit(-1) > 1<<40 {
		t.Errorf("without GOMEMLIMIT the limit is %d", debug.SetMemoryLimit(-1))
	}
}

func TestPacing(t *testing.T) {
	for _, tc := range []struct {
		live, allocated uint64
		want            int
	}{
		{8 << 20, 1 << 20, usualPace}, {8 << 20, 1 << 30, mostPace}, {0, 1 << 30, mostPace}, {16 << 20, 1 << 30, 400}, {200 << 20, 1 << 30, usualPace},
	} {
		if got := pacing(tc.live, tc.allocated); got != tc.want {
			t.Errorf("%d live, %d allocated: %d, want %d", tc.live, tc.allocated, got, tc.want)
		}
	}
}
