package app

import (
	"bufio"
	"os"
	"strings"

	"bridge/internal/config"
	"bridge/internal/queue"
)

// natsUsers reads the file of other systems that may connect to the embedded NATS server: a public user nkey a line, then
// the subjects that it may publish to (ingest.…) and listen to (events.…); empty lines and lines that begin with # are
// passed over.
func natsUsers(path string) ([]queue.User, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, mistaken("BRIDGE_NATS_USERS", err)
	}
	defer f.Close()
	var users []queue.User
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		fields := strings.Fields(text)
		if len(fields) < 2 || !strings.HasPrefix(fields[0], "U") {
			return nil, config.Mistakes{{File: path, Line: n, Column: 1, Text: "a public user nkey (U…) and the subjects that it may publish or listen to are expected"}}
		}
		u := queue.User{NKey: fields[0]}
		for _, subject := range fields[1:] {
			if strings.HasPrefix(subject, "events.") {
				u.Listen = append(u.Listen, subject)
			} else {
				u.Publish = append(u.Publish, subject)
			}
		}
		users = append(users, u)
	}
	return users, lines.Err()
}
