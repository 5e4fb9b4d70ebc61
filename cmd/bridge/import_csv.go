package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"bridge/internal/events"
)

// maxRow bounds one row; an event has to fit into a message of the queue.
const maxRow = 100 << 10

// survey reads a file once, from end to end: what it holds, by hash, and how it is written.
type survey struct {
	sum   string // SHA-256 of the file as it is
	utf8  bool   // false: read as windows-1252, which is what spreadsheets on Windows write
	comma rune
}

var (
	bomUTF8    = []byte{0xef, 0xbb, 0xbf}
	errUTF16   = errors.New("the file is UTF-16; save it as CSV in UTF-8")
	errNoRows  = errors.New("the file is empty: a first row with the names of the columns is expected")
	separators = []rune{',', ';', '\t', '|'}
)

// surveyOf looks at r, which it reads to its end.
func surveyOf(r io.Reader) (survey, error) {
	s := survey{utf8: true, comma: ','}
	hash := sha256.New()
	buf := make([]byte, 64<<10)
	var head, cut []byte // first line; bytes of a character that the last block cut in two
	lineEnds := false
	for {
		n, err := r.Read(buf)
		block := buf[:n]
		hash.Write(block)
		if !lineEnds {
			line, _, found := bytes.Cut(block, []byte("\n"))
			head, lineEnds = append(head, line...), found || len(head) > maxRow
		}
		if s.utf8 {
			text := append(cut, block...)
			end := len(text) - partial(text)
			s.utf8, cut = utf8.Valid(text[:end]), bytes.Clone(text[end:])
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s, err
		}
	}
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return s, errUTF16
	}
	s.utf8 = s.utf8 && len(cut) == 0
	s.sum = hex.EncodeToString(hash.Sum(nil))
	s.comma = separator(head)
	return s, nil
}

// partial tells how many bytes at the end of text begin a character that is not complete.
func partial(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if b := text[len(text)-n]; utf8.RuneStart(b) {
			if !utf8.FullRune(text[len(text)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// separator is what stands most often in the first line outside quotes.
func separator(head []byte) rune {
	counts := map[rune]int{}
	quoted := false
	for _, r := range string(head) {
		if r == '"' {
			quoted = !quoted
		} else if !quoted {
			counts[r]++
		}
	}
	best := separators[0]
	for _, r := range separators {
		if counts[r] > counts[best] {
			best = r
		}
	}
	return best
}

// lead is one row.
type lead struct {
	line    int // of the file, where the row begins
	fields  []string
	contact events.Contact
	reason  string // why it cannot be taken; "" when it can
}

// leads reads rows. A row that is wrong is given with its reason, and the next one is read.
type leads struct {
	csv     *csv.Reader
	header  []string
	columns []column
}

// openLeads reads the header of a file that was surveyed.
func openLeads(r io.Reader, s survey) (*leads, error) {
	var text io.Reader = &withoutBOM{r: r}
	if !s.utf8 {
		text = charmap.Windows1252.NewDecoder().Reader(r)
	}
	l := &leads{csv: csv.NewReader(text)}
	l.csv.Comma, l.csv.FieldsPerRecord = s.comma, -1
	header, err := l.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, errNoRows
	}
	if err != nil {
		return nil, fmt.Errorf("the first row cannot be read: %w", err)
	}
	l.header = header
	l.columns, err = columnsOf(header)
	return l, err
}

// next gives a row, or io.EOF. Rows without any value are passed over, as spreadsheets leave them at the end.
func (l *leads) next() (lead, error) {
	for {
		fields, err := l.csv.Read()
		var wrong *csv.ParseError
		switch {
		case errors.As(err, &wrong):
			return lead{line: wrong.StartLine, reason: wrong.Err.Error()}, nil
		case err != nil:
			return lead{}, err
		case !slices.ContainsFunc(fields, func(f string) bool { return strings.TrimSpace(f) != "" }):
			continue
		}
		line, _ := l.csv.FieldPos(0)
		one := lead{line: line, fields: fields}
		one.contact, one.reason = l.contact(fields)
		return one, nil
	}
}

// contact reads one row by the columns.
func (l *leads) contact(fields []string) (c events.Contact, reason string) {
	if len(fields) != len(l.columns) {
		return c, fmt.Sprintf("the row has %d values, the first row names %d", len(fields), len(l.columns))
	}
	size := 0
	for i, value := range fields {
		if size += len(value); size > maxRow {
			return c, fmt.Sprintf("the row is larger than %d kB", maxRow>>10)
		}
		value = strings.TrimSpace(strings.ToValidUTF8(value, "\ufffd"))
		if value == "" {
			continue
		}
		if l.columns[i].put == nil {
			return c, fmt.Sprintf("value %d stands in a column without a name", i+1)
		}
		l.columns[i].put(&c, value)
	}
	if c.Email == "" && c.Phone == "" {
		return c, "neither an e-mail address nor a phone number"
	}
	if a, err := mail.ParseAddress(c.Email); c.Email != "" && (err != nil || a.Address != c.Email) {
		return c, "the e-mail address is not valid"
	}
	if c.Phone != "" && events.NormalPhone(c.Phone) == "" {
		return c, "the phone number has no digits"
	}
	return c, ""
}

// id is the same for the same row under the same rule in the same batch, wherever in the file it stands.
func (l *lead) id(batch, rule string) (string, error) {
	hash := sha256.New()
	content, err := jsonOf(&l.contact)
	if err != nil {
		return "", err
	}
	for _, part := range []string{rule, events.NormalEmail(l.contact.Email), events.NormalPhone(l.contact.Phone), content} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return "import:" + batch + ":" + hex.EncodeToString(hash.Sum(nil)[:16]), nil
}

// withoutBOM takes a byte order mark from the beginning of UTF-8 text.
type withoutBOM struct {
	r     io.Reader
	begun bool
}

// Read implements io.Reader.
func (w *withoutBOM) Read(p []byte) (int, error) {
	if w.begun || len(p) < len(bomUTF8) {
		return w.r.Read(p)
	}
	w.begun = true
	n, err := io.ReadAtLeast(w.r, p, len(bomUTF8))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if bytes.HasPrefix(p[:n], bomUTF8) {
		n = copy(p, p[len(bomUTF8):n])
	}
	return n, err
}
