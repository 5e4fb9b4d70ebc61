package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestQuick runs every section for a moment, over real processes, and judges no figure: the machine of a test is busy.
// Children start this program anew, so it is built as one.
func TestQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the sections start some thirty processes")
	}
	b := &bench{ctx: t.Context(), dir: t.TempDir(), runs: 1, quick: true, report: newReport()}
	if err := b.build(); err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		if err := s.run(b); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	out := filepath.Join(t.TempDir(), "figures.json")
	if err := b.report.write(out); err != nil {
		t.Fatal(err)
	}
	var got report
	body, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	barred, missing := 0, 0
	for _, f := range got.Figures {
		if f.Bar != "" {
			barred++
		}
		if len(f.Runs) == 0 { // a busy machine may answer nothing in the moment that a section has here
			missing++
			t.Logf("%s has no value", f.Name)
		}
	}
	if len(got.Figures) < 60 || barred < 20 || missing > len(got.Figures)/10 {
		t.Errorf("%d figures, %d of them with a bar, %d without a value: some are not measured", len(got.Figures), barred, missing)
	}
	if t.Failed() {
		t.Log(b.report.table())
	}
}

// TestMain lets the test be its own children.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && children[os.Args[1]] != nil {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestExponent(t *testing.T) {
	x := []float64{1, 10, 100, 1000}
	for name, c := range map[string]struct {
		y    []float64
		want float64
	}{
		"flat":   {[]float64{2, 2, 2, 2}, 0},
		"linear": {[]float64{3, 30, 300, 3000}, 1},
		"square": {[]float64{1, 100, 10_000, 1_000_000}, 2},
	} {
		if got := exponent(x, c.y); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: exponent %v, want %v", name, got, c.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{1, 2, 3, 4}
	for q, want := range map[float64]float64{0: 1, 0.5: 2.5, 1: 4} {
		if got := quantile(v, q); got != want {
			t.Errorf("quantile %v of %v: %v, want %v", q, v, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{1234567: "1,234,567", 999: "999", 12.34: "12.3", 1.234: "1.23", 0.05: "0.050", -1500: "-1,500"} {
		if got := number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
