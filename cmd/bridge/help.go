package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// chapters of the help, in the order in which somebody new needs them. Commands that stand in none come last.
var chapters = []struct {
	id, title string
	commands  []string
}{
	{"begin", "Begin:", []string{"demo", "check", "try", "sandbox"}},
	{"run", "Run:", []string{"serve", "send", "publish", "import"}},
	{"operate", "Operate:", []string{"status", "events", "keys", "hooks"}},
	{"store", "Keep and move:", []string{"backup", "restore", "migrate"}},
}

// examples of every command that does something by itself; those of the newest commands stand beside them.
var examples = map[string][]string{
	"demo":    {"bridge demo", "bridge demo --once"},
	"serve":   {"bridge serve", "bridge serve --sandbox --config configs/demo.yaml", "bridge serve --roles ingest,console"},
	"sandbox": {"bridge sandbox", `BRIDGE_KEAP_BASE_URL=http://127.0.0.1:8090/crm bridge serve`},
	"try": {
		"bridge try --account default --source shop --header 'X-WC-Webhook-Topic: order.updated' order.json",
		"curl -s https://shop.example.com/order.json | bridge try --account default --source shop --json -",
	},
	"send":    {"bridge send --account default --source shop --event order.updated order.json", "bridge send --account default --source forms < form.json"},
	"publish": {"bridge publish --account default --source crm events.jsonl"},
	"import":  {"bridge import --account default --source leads --rule fair --dry-run fair.csv", "bridge import --account default --source leads --rule fair fair.csv"},
	"backup":  {"bridge backup bridge-2026-11-23.backup"},
	"restore": {"bridge restore --data-dir ./new bridge-2026-11-23.backup"},
	"migrate": {"bridge migrate --to nats://10.0.0.1:4222,nats://10.0.0.2:4222 --replicas 3"},
	"status":  {"bridge status", "bridge status --watch", "bridge status --check   # for monitoring"},
	"version": {"bridge version"},

	"events ls":      {"bridge events ls --state failed --since 24h", "bridge events ls --q ada@example.com", "bridge events ls --state parked --json"},
	"events show":    {"bridge events show shop:order.paid:1001"},
	"events tail":    {"bridge events tail"},
	"events replay":  {"bridge events replay --state failed --reason tag.unknown --dry-run", "bridge events replay shop:order.paid:1001"},
	"events discard": {"bridge events discard --state failed --source forms --until 2026-11-01 --dry-run"},
	"events undo":    {"bridge events undo JOB   # the job that bridge events discard printed"},
	"events resolve": {"bridge events resolve shop:order.paid:1001 --step 4 --happened"},
	"events erase":   {"bridge events erase --contact ada@example.com"},
}

// dress gives commands their chapters and examples.
func dress(root *cobra.Command) {
	cobra.EnableCommandSorting = false // the order of the lists
	for _, c := range chapters {
		root.AddGroup(&cobra.Group{ID: c.id, Title: c.title})
		for _, name := range c.commands {
			if cmd, _, err := root.Find([]string{name}); err == nil && cmd != root {
				cmd.GroupID = c.id
			}
		}
	}
	for path, lines := range examples {
		if cmd, rest, err := root.Find(strings.Fields(path)); err == nil && len(rest) == 0 {
			cmd.Example = "  " + strings.Join(lines, "\n  ")
		}
	}
}
