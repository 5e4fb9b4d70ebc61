package queue

// Valid tells whether this process may act for what it owns: the other processes believe that it lives. It is false
// from shortly before they may take over, by this process's own clock, until it has joined them again. A process that
// does not work owns nothing that could be taken over: for it the answer is true.
func (q *Queue) Valid() bool {
	q.mu.Lock()
	w := q.work
	q.mu.Unlock()
	return w == nil || w.members.valid()
}
