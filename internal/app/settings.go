package app

import (
	"log/slog"
	"os"
	"slices"

	"bridge/internal/config"
)

// The roles that a process can have; all of them by default.
const (
	RoleIngest  = "ingest"  // takes webhooks
	RoleWork    = "work"    // routes events and calls Keap
	RoleConsole = "console" // console and API; health and metrics are served by every role
)

// Roles lists them.
var Roles = []string{RoleIngest, RoleWork, RoleConsole}

// Settings are what a run needs besides the configuration file.
type Settings struct {
	Env     config.Env
	Roles   []string // none: all
	Sandbox bool     // start the Keap sandbox and point every account at it
	Version string
	Log     *slog.Logger
	Visitor bool             // a command that uses the store for a moment, maybe beside a serve of the same data directory
	Reload  <-chan os.Signal // asks for the configuration to be read again; nil: only changed files do
}

func (s *Settings) has(role string) bool { return len(s.Roles) == 0 || slices.Contains(s.Roles, role) }
