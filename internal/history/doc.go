// Package history answers questions about events: lists with filters, the story of one event, counts, charts, costs.
//
// It is an index over the logs EVENTS and OUTCOMES in one SQLite file, fed by Follow. The logs are the truth and the
// index is disposable: it keeps its position in them inside, in the transaction that brings it there, and is built
// anew when the file is missing, damaged, of another version, or ahead of a restored log. No other package uses
// SQLite.
//
// Use List and Story for people, Lookup with Wait for the router's recognition of resends, Tallies for counts (they
// are held in memory). Do not rely on it for what has to be right at this instant: it follows the logs by some
// milliseconds, and by minutes while it is being built.
//
// It stores no personal data but hashes of order keys and order numbers, made by Options.Hash, and what the details
// of outcomes say.
package history
