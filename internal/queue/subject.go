package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"strconv"
	"strings"

	"bridge/internal/events"
)

// Subjects hold configured names and hashes only: a name from outside could be a wildcard or longer than the server's
// control line, which closes the connection for good. They hold no contacts: a subject costs some 200 bytes of memory in
// each stream, and a million waiting events may well be of as many people.
const (
	subjectNew      = "intake.new"    // bundles as they were accepted
	subjectEnrich   = "intake.enrich" // single events whose sender has to be asked
	subjectIngest   = "ingest."       // ingest.<account>.<source>, written by publishers
	subjectEvents   = "ev."           // ev.<account>.<source>
	subjectWork     = "work."         // work.<shard>.<group>.<lane>
	subjectOut      = "out."          // out.<process>
	subjectFailed   = "failed."       // failed.<account>.<key>
	subjectExchange = "exchange."     // exchange.<process>.<exchangesBucket since 1970>
	subjectMemory   = "$KV.memory."
	subjectLedger   = "$KV.ledger."
)

// outsider stands for names that no configuration can hold.
const outsider = "_"

const maxToken = 64

// validToken tells whether s may stand in a subject as it is: [a-z0-9-]{1,64}.
func validToken(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// token makes a token of a name that need not come from the configuration.
func token(name string) string {
	if validToken(name) {
		return name
	}
	return outsider
}

// hashToken is a token for text that is no configured name; equal texts give equal tokens.
func hashToken(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// ContactHash is how the queue and the history name a person: a keyed hash of Event.OrderKey, the same in every process
// of an installation. "" for "".
func (q *Queue) ContactHash(orderKey string) string {
	if orderKey == "" {
		return ""
	}
	mac := hmac.New(sha256.New, q.salt)
	mac.Write([]byte(orderKey))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func eventSubject(e *events.Event) string {
	return subjectEvents + token(e.Account) + "." + token(e.Source)
}

func workSubject(group string, lane events.Priority) string {
	return workOf(group) + lane.String()
}

// workOf is what the subjects of a group's work begin with.
func workOf(group string) string { return subjectWork + workShard(group) + "." + group + "." }

// workStream is the stream of a group's work.
func workStream(group string) string { return streamWork + workShard(group) }

func workShard(group string) string {
	h := fnv.New32a()
	h.Write([]byte(group))
	return strconv.Itoa(int(h.Sum32() % workShards))
}

func failedSubject(account, key string) string {
	return subjectFailed + token(account) + "." + key
}

// part returns the n-th token of a subject, "" when it has fewer.
func part(subject string, n int) string {
	for ; n > 0; n-- {
		_, rest, ok := strings.Cut(subject, ".")
		if !ok {
			return ""
		}
		subject = rest
	}
	first, _, _ := strings.Cut(subject, ".")
	return first
}
