package console

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// Role is what somebody may do. Each role may do what those below it may.
type Role uint8

// The roles.
const (
	Nobody   Role = iota
	Viewer        // sees everything but personal data
	Operator      // replays, discards, answers doubts, pauses
	Admin         // erases people, changes accounts
)

var roleNames = [...]string{"nobody", "viewer", "operator", "admin"}

// String is the role's name in the file of tokens.
func (r Role) String() string { return roleNames[r] }

// ParseRole reads a role by its name; nobody is none.
func ParseRole(s string) (Role, bool) {
	for i, name := range roleNames {
		if s == name && i > 0 {
			return Role(i), true
		}
	}
	return Nobody, false
}

// Token lets its owner in. Only the hash of the token is known here.
type Token struct {
	Role Role
	Name string // for the audit
	Hash [sha256.Size]byte
}

// ReadTokens reads a file of tokens. Each line has a role (viewer, operator, admin), a name, and the SHA-256 of the
// token in hexadecimal; empty lines and lines that begin with # are passed over. Tokens have to be long and random:
// their hashes are not stretched.
func ReadTokens(r io.Reader) ([]Token, error) {
	var tokens []Token
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		fields := strings.Fields(text)
		if len(fields) != 3 {
			return nil, fmt.Errorf("line %d: a role, a name and the SHA-256 of a token are needed", n)
		}
		role, ok := ParseRole(fields[0])
		if !ok {
			return nil, fmt.Errorf("line %d: the role is none of viewer, operator, admin", n)
		}
		hash, err := hex.DecodeString(fields[2])
		if err != nil || len(hash) != sha256.Size {
			return nil, fmt.Errorf("line %d: the third field is no SHA-256 in hexadecimal", n)
		}
		tokens = append(tokens, Token{Role: role, Name: fields[1], Hash: [sha256.Size]byte(hash)})
	}
	return tokens, lines.Err()
}

// match finds the token that text is. It looks at all of them, so that its time does not tell which one came close.
func match(tokens []Token, text string) (found Token, ok bool) {
	hash := sha256.Sum256([]byte(text))
	for _, t := range tokens {
		if subtle.ConstantTimeCompare(t.Hash[:], hash[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}
