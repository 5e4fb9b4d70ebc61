// Package calls spends each permit on the call that clears the most waiting work.
//
// A Planner serves one quota group. Handlers ask for one thing in straight-line code (Do) and block; the steps of
// all of them meet here and wait together until the ledger gives a permit. Calls that nobody can share (contacts,
// goals, orders, notes) go one by one. Tags are the edges of a graph between contacts and tags: one call clears a row
// (many tags, one contact) or a column (one tag, many contacts), and the least number of calls is a minimum vertex
// cover. Sequences and template e-mails are columns only.
//
// What goes first:
//
//   - urgent work, and never waits for company: look-ups that many wait for, then goals before tags before contacts, so
//     that what is begun ends;
//   - of the rest, a column that is full or whose oldest pair has waited long enough, then contacts (or columns
//     would never fill), then tags;
//   - every row or column takes along all pairs that wait, whatever their priority.
//
// With permits to spare nothing waits; when the day will not be enough, tags of normal work wait up to half an hour
// for company, and up to two hours when some of it moves to tomorrow whatever is done. How many permits each priority may have is the ledger's business.
//
// Steps are answered one by one: a contact that Keap does not know fails one step of a column of 200. Asks of one
// contact are served in the order in which they come.
//
// The planner keeps nothing that a crash would lose but its choice of what to send next: intentions and outcomes are
// recorded by whoever asks.
package calls
