package queue

import "testing"

// A lane that was told how far its work goes asks no more often than it has to.
func TestHintKnowsWhenAllIsTaken(t *testing.T) {
	var h hint
	h.giveUpTo(7)
	if !h.more.Swap(false) {
		t.Fatal("told of work, and not to be asked for it")
	}
	if h.took(5, false); !h.more.Swap(false) {
		t.Error("taken up to 5 of 7, and not to be asked again")
	}
	if h.took(7, false); h.more.Load() {
		t.Error("all was taken, and it is to be asked again")
	}
	if h.took(7, true); !h.more.Swap(false) {
		t.Error("as many as were asked for came, and not to be asked again")
	}
	if _, again := h.miss(); again {
		t.Error("all was taken, and it is to be looked at again")
	}
}

// Nobody knows up to where there is something: the server may tell its consumers later than whoever gave the hint.
func TestHintLooksAgainWhenBlind(t *testing.T) {
	var h hint
	h.giveUpTo(7)
	h.took(7, false)
	h.give()
	h.more.Store(false)
	if h.took(8, false); !h.more.Swap(false) {
		t.Error("not to be asked again after a hint without a place")
	}
	for i := range lookDelays {
		if wait, again := h.miss(); !again || wait != lookDelays[i] {
			t.Errorf("miss %d: look again in %s, %t", i, wait, again)
		}
	}
	if _, again := h.miss(); again {
		t.Error("it is to be looked at for ever")
	}
}

// What was told and does not come is waited for a little.
func TestHintWaitsForWhatWasTold(t *testing.T) {
	var h hint
	h.giveUpTo(7)
	if _, again := h.miss(); !again {
		t.Error("given up at once")
	}
}
