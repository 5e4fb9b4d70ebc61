package sources

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charsets are those that senders write, by their names without case and marks: all of one byte, and those of East Asia that
// PayPal lets a shop choose. Big5 is not among them: its tables would be the largest of all, and shops of today choose
// UTF-8.
var charsets = sync.OnceValue(func() map[string]encoding.Encoding {
	all := map[string]encoding.Encoding{
		"shiftjis": japanese.ShiftJIS, "sjis": japanese.ShiftJIS, "windows31j": japanese.ShiftJIS, "eucjp": japanese.EUCJP, "iso2022jp": japanese.ISO2022JP,
		"euckr": korean.EUCKR, "ksc56011987": korean.EUCKR,
		"gb2312": simplifiedchinese.GB18030, "gbk": simplifiedchinese.GB18030, "gb18030": simplifiedchinese.GB18030, "hzgb2312": simplifiedchinese.HZGB2312,
	}
	for _, one := range charmap.All {
		if named, ok := one.(*charmap.Charmap); ok {
			all[plainName(named.String())] = one
		}
	}
	for n := range 9 { // cp1250 … cp1258
		digits := "125" + string(rune('0'+n))
		all["cp"+digits] = all["windows"+digits]
	}
	// What says ISO 8859-1 is windows-1252, as in browsers (WHATWG Encoding, 4.2): the codes in which they differ are no text.
	for _, name := range []string{"iso88591", "latin1", "usascii", "ascii"} {
		all[name] = charmap.Windows1252
	}
	return all
})

// plainName is a charset's name in small letters and digits only.
func plainName(charset string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(charset))
}

// toUTF8 converts text of another charset. Bytes that are no UTF-8 although nothing else was said, or nothing that is known,
// are read as windows-1252, which is what they nearly always are.
func toUTF8(b []byte, charset string) []byte {
	if charset != "" && !strings.EqualFold(charset, "utf-8") {
		if enc := charsets()[plainName(charset)]; enc != nil {
			if out, err := enc.NewDecoder().Bytes(b); err == nil {
				return out
			}
		}
	}
	if utf8.Valid(b) {
		return b
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return bytes.ToValidUTF8(b, []byte("\ufffd"))
	}
	return out
}
