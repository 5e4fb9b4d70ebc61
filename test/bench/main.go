package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench is one run of the program.
type bench struct {
	ctx    context.Context
	binary string // the bridge
	size   int64  // of the binary, as it is released
	self   string // this program, for its child processes
	dir    string // scratch
	runs   int
	quick  bool
	report *report
}

// sections in the order in which they run: name, what it measures.
var sections = []struct {
	name  string
	about string
	run   func(*bench) error
}{
	{"ingest", "webhooks accepted at 1, 16, 64 and 256 connections, beside plain publishing and raw JetStream", (*bench).ingest},
	{"sustained", "half a minute of webhooks with routing and working beside it", (*bench).sustained},
	{"end-to-end", "events from the webhook to the last call to Keap, with the quota lifted", (*bench).endToEnd},
	{"processes", "one, two and three bridges that share 1,000 accounts", (*bench).processes},
	{"start", "start, memory and size of a bridge without work", (*bench).startUp},
	{"accounts", "start and memory with 10,000 accounts of 64 rules", (*bench).manyAccounts},
	{"backlog", "a million waiting events: growth, ingest beside them, start, memory", (*bench).backlog},
	{"growth", "cost of an event by accounts, rules and line items", (*bench).growth},
}

// children are what this program is when it starts itself.
var children = map[string]func(context.Context, []string) error{"reference": reference, "ceiling": ceiling, "nats": natsServer}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		if child, ok := children[args[0]]; ok {
			return child(ctx, args[1:])
		}
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "sections, comma separated: "+sectionNames())
	runs := flags.Int("runs", 3, "how often the figures of a section are taken (processes and growth: half as often, rounded up)")
	quick := flags.Bool("quick", false, "a moment of everything")
	output := flags.String("json", "", "also write the figures to this file")
	binary := flags.String("binary", "", "a bridge that is built already")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b := &bench{ctx: ctx, runs: max(1, *runs), quick: *quick, report: newReport(), binary: *binary}
	if b.quick {
		b.runs = 1
	}
	return b.all(strings.FieldsFunc(*only, func(r rune) bool { return r == ',' }), *output)
}

func sectionNames() string {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// all runs the sections and prints the report, whatever became of them.
func (b *bench) all(only []string, output string) (err error) {
	if b.dir, err = os.MkdirTemp("", "bridge-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.build(); err != nil {
		return err
	}
	fmt.Print(b.report.Machine.String())
	var failed []error
	for _, s := range sections {
		if len(only) > 0 && !slices.Contains(only, s.name) {
			continue
		}
		fmt.Printf("\n%s: %s\n", s.name, s.about)
		begin := time.Now()
		if err := s.run(b); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		fmt.Printf("  took %s\n", time.Since(begin).Round(time.Second))
		if b.ctx.Err() != nil {
			break
		}
	}
	fmt.Printf("\n%s", b.report.table())
	if output != "" {
		failed = append(failed, b.report.write(output))
	}
	return errors.Join(failed...)
}

// build makes the bridge as it is released, stripped, unless one was given.
func (b *bench) build() (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.binary == "" {
		b.binary = filepath.Join(b.dir, "bridge")
		cmd := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "bridge/cmd/bridge")
		cmd.Env, cmd.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build the bridge: %w", err)
		}
	}
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.size = info.Size()
	return nil
}

// short is d, or a moment of it with -quick.
func (b *bench) short(d time.Duration) time.Duration {
	if b.quick {
		return min(d, 200*time.Millisecond)
	}
	return d
}

// half is how often the figures are taken that take minutes each time.
func (b *bench) half() int { return (b.runs + 1) / 2 }

// few is n, or a few with -quick.
func (b *bench) few(n int) int {
	if b.quick {
		return min(n, max(1, n/1000), 200)
	}
	return n
}

// some is the list, or its ends with -quick.
func (b *bench) some(list []int) []int {
	if b.quick {
		return []int{list[0], list[len(list)-1]}
	}
	return list
}

// scratch makes a directory for one server.
func (b *bench) scratch(name string) (string, error) { return os.MkdirTemp(b.dir, name+"-") }
