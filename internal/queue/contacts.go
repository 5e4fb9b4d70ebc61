package queue

import (
	"context"
	"time"
)

// Contact reads what the planner remembers of a contact of a quota group; contact is a hashed order key.
func (q *Queue) Contact(ctx context.Context, group, contact string) (value []byte, ok bool, err error) {
	value, seq, err := q.memory.load(ctx, contactKey(group, contact))
	return value, seq > 0 && len(value) > 0, err
}

// SaveContact stores what the planner remembers of a contact, for ttl.
func (q *Queue) SaveContact(ctx context.Context, group, contact string, value []byte, ttl time.Duration) error {
	_, err := q.memory.put(ctx, memoryMsg(contactKey(group, contact), value, ttl))
	return err
}

func contactKey(group, contact string) string {
	if !validToken(contact) {
		contact = hashToken(contact)
	}
	return "contact." + token(group) + "." + contact
}
