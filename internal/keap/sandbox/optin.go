package sandbox

import "time"

// optStatus is the marketing status of an e-mail address.
type optStatus uint8

const (
	nonMarketable optStatus = iota
	unengagedNonMarketable
	unengagedMarketable
	singleOptIn
	doubleOptIn
	confirmed
	manual
	lockdown
	bounce
	hardBounce
	admin
	system
	listUnsubscribe
	feedback
	spam
	invalid
	deactivated
)

// statusNames are the words of v1's contacts, of v2, and of v1's PUT /emailAddresses, which words it as the app does.
var statusNames = [...]struct{ v1, v2, app string }{
	nonMarketable:          {"NonMarketable", "NON_MARKETABLE", "Non-marketable"},
	unengagedNonMarketable: {"UnengagedNonMarketable", "UNENGAGED_NON_MARKETABLE", "Unengaged NonMarketable"},
	unengagedMarketable:    {"UnengagedMarketable", "UNENGAGED_MARKETABLE", "Unengaged Marketable"},
	singleOptIn:            {"SingleOptIn", "SINGLE_OPT_IN", "Unconfirmed"},
	doubleOptIn:            {"DoubleOptin", "DOUBLE_OPT_IN", "Confirmed (Legacy)"},
	confirmed:              {"Confirmed", "CONFIRMED", "Confirmed"},
	manual:                 {"Manual", "MANUAL", "Opt-Out"},
	lockdown:               {"Lockdown", "LOCKDOWN", "Lockdown"},
	bounce:                 {"Bounce", "BOUNCE", "Soft Bounce"},
	hardBounce:             {"HardBounce", "HARD_BOUNCE", "Hard Bounce"},
	admin:                  {"Admin", "ADMIN", "Opt-Out: Admin"},
	system:                 {"System", "SYSTEM", "Opt-Out: System"},
	listUnsubscribe:        {"ListUnsubscribe", "LIST_UNSUBSCRIBE", "List Unsubscribe"},
	feedback:               {"Feedback", "FEEDBACK", "Provided Feedback"},
	spam:                   {"Spam", "SPAM", "Reported Spam"},
	invalid:                {"Invalid", "INVALID", "Invalid Email"},
	deactivated:            {"Deactivated", "DEACTIVATED", "Deactivated/Delinquent Mailbox"},
}

// statusByName finds a status in the words of v1, for seeds.
func statusByName(name string) (optStatus, bool) {
	for i, n := range statusNames {
		if n.v1 == name {
			return optStatus(i), true
		}
	}
	return 0, false
}

// marketable reports whether marketing e-mail may be sent.
func (s optStatus) marketable() bool {
	return s == unengagedMarketable || s == singleOptIn || s == doubleOptIn || s == confirmed
}

// optIn makes an address marketable where Keap's documents allow it; every other status stays as it is.
func (a *address) optIn() {
	switch a.status {
	case unengagedMarketable, unengagedNonMarketable, nonMarketable, manual:
		a.status = singleOptIn
	}
}

// optInEmail notes a reason for one address of a contact.
func (t *tenant) optInEmail(c *contact, email, reason string, now time.Time) {
	if email == "" || reason == "" {
		return
	}
	t.address(email, now).optIn()
	c.optIn = reason
}
