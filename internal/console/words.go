package console

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"bridge/internal/events"
	"bridge/internal/ops"
)

// word says a state or reason to people, and what they can do about it.
type word struct{ text, hint string }

var stateWords = map[events.State]string{
	events.Waiting: "waiting", events.Working: "in hand", events.Parked: "parked", events.Failed: "failed",
	events.InDoubt: "in doubt", events.Done: "done", events.StateDiscarded: "discarded",
}

var reasonWords = map[events.Reason]word{
	events.NoReason:  {"", ""},
	events.NoRule:    {"no rule matched", "Write a rule for its type if something should happen."},
	events.OldFact:   {"older than the log remembers", "Nothing to do: it could not be told from a resend."},
	events.Stale:     {"a later state was already handled", "Nothing to do."},
	events.Duplicate: {"sent again", "Nothing to do: the first one counts."},
	events.Ignored:   {"a ping or a test", "Nothing to do."},
	events.Discarded: {"discarded by an operator", "It can be undone for 30 days."},
	events.Erased:    {"the person's data was erased", "Nothing is left of it."},

	events.QuotaMinute:  {"the minute's quota is spent", "It goes on by itself within a minute."},
	events.QuotaDay:     {"the day's quota is spent", "It goes on by itself at 00:00 UTC."},
	events.QuotaTenant:  {"the limit over all integrations of the Keap account is reached", "It goes on by itself; see which other integrations call Keap."},
	events.Throttled:    {"Keap asked to slow down", "It goes on by itself."},
	events.RetryWait:    {"the last attempt failed and is repeated", "It goes on by itself."},
	events.Brownout:     {"XML-RPC does not answer while REST does", "Give the action set a replacement before XML-RPC ends."},
	events.Unauthorized: {"Keap refuses the credential", "Check the key in Keap, then bridge keys ls."},
	events.RefreshLost:  {"the OAuth2 login has to be repeated", "Run bridge keys login."},
	events.Paused:       {"paused by an operator", "Resume the account when it may go on."},
	events.ShuttingDown: {"the process is stopping", "The next one goes on."},
	events.EnrichWait:   {"the sender is being asked for what it left out", "It goes on by itself."},

	events.BadSchema:      {"no CloudEvent of ours", "Correct the publisher; the message is kept as it came."},
	events.RuleError:      {"a rule failed on it", "Correct the expression, then replay the group."},
	events.ContactMissing: {"neither e-mail nor phone", "See why the sender leaves them out; discard what cannot be used."},
	events.ContactUnknown: {"the contact is not in Keap", "Put a contact step first, then replay the group."},
	events.TagUnknown:     {"the tag is not in Keap", "Create the tag in Keap or allow tags.create, then replay the group."},
	events.FieldInvalid:   {"a value does not fit its field", "Correct the field in Keap or the rule, then replay the group."},
	events.TargetUnknown:  {"goal, sequence, template, owner or action set is not in Keap", "Correct the name in the rule, then replay the group."},
	events.KeapRejected:   {"Keap rejected it", "Read what Keap answered; correct the rule, then replay the group."},
	events.KeapForbidden:  {"the credential may not do this", "Give the key the permission in Keap, then replay the group."},
	events.NoReplacement:  {"XML-RPC is gone and nothing replaces the action set", "Configure replace_with for the action set, then replay the group."},
	events.AttemptsSpent:  {"it failed as often as it may", "See what Keap answered; replay the group when Keap is well."},
	events.EnrichFailed:   {"the sender did not say what is missing", "Check the source's credential, then replay the group."},
	events.NotConfigured:  {"its account, source or rule is not configured", "Configure it, then replay the group; or discard."},
	events.Internal:       {"a mistake of the bridge", "Please report it with the log lines of the event."},
	events.UnknownOutcome: {"a step may have happened", "Look in Keap whether it did, and answer below the step."},
}

// awaited is what an account waits for that waits for a quota.
var awaited = map[events.Reason]string{
	events.QuotaDay: "the day's quota", events.QuotaMinute: "the minute's quota", events.QuotaTenant: "a limit over all integrations of the Keap account",
}

// standing says how an account stands. level is ok, wait or bad.
func standing(a ops.AccountStatus, now time.Time) (text, level string) {
	switch {
	case a.Removed:
		return "Not in the configuration: its events wait until it is there again, or are discarded", "bad"
	case a.Paused != nil && a.Paused.Reason == events.Paused:
		return "Paused by an operator", "wait"
	case a.Paused != nil && (a.Paused.Reason == events.Unauthorized || a.Paused.Reason == events.RefreshLost):
		return capital(reasonWords[a.Paused.Reason].text), "bad"
	case a.Paused != nil:
		text := "Waiting: " + reasonWords[a.Paused.Reason].text
		if what := awaited[a.Paused.Reason]; what != "" {
			text = "Waiting for " + what
		}
		if a.Paused.Until != nil {
			text += fmt.Sprintf(", resumes %s (in %s)", clock(*a.Paused.Until, now), span(a.Paused.Until.Sub(now)))
		}
		return text, "wait"
	case !a.Ready:
		return "Not ready: no process works it, or its credential does not work", "bad"
	case a.Backlog.Total() > 0 && a.ETA != nil:
		return fmt.Sprintf("Working, %s calls/s, through by %s (in %s)", decimal(a.Rate), clock(*a.ETA, now), span(a.ETA.Sub(now))), "ok"
	case a.Backlog.Total() > 0:
		return fmt.Sprintf("Working, %s calls/s", decimal(a.Rate)), "ok"
	default:
		return "Up to date", "ok"
	}
}

func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// decimal prints a number with one digit behind the point, which nobody needs from a hundred on.
func decimal(f float64) string {
	if f >= 99.95 {
		return count(int(math.Round(f)))
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}

// count prints a number with commas between thousands.
func count(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// clock prints a time of day, with the day when it is not today.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04 UTC")
	}
	if t.Equal(t.Truncate(24*time.Hour)) && t.Sub(now) <= 24*time.Hour && t.After(now) {
		return "00:00 UTC"
	}
	return t.Format("Mon 2 Jan 15:04 UTC")
}

// span prints a length of time in its largest unit.
func span(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		h, m := int(d.Hours()), int(d.Minutes())%60
		if h < 6 && m > 0 {
			return fmt.Sprintf("%d h %d min", h, m)
		}
		return strconv.Itoa(h) + " h"
	default:
		return strconv.Itoa(int(d.Hours()/24)) + " days"
	}
}

// when prints how long ago (or ahead) a time is; the time itself stands in the title.
func when(v any, now time.Time) template.HTML {
	var t time.Time
	switch v := v.(type) {
	case time.Time:
		t = v
	case *time.Time:
		if v != nil {
			t = *v
		}
	}
	if t.IsZero() {
		return `<span class="muted">never</span>`
	}
	text := "now"
	switch d := now.Sub(t); {
	case d >= time.Second:
		text = span(d) + " ago"
	case d <= -time.Second:
		text = "in " + span(d)
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `" title="` + t.Format("2006-01-02 15:04:05 UTC") + `">` + text + `</time>`)
}
