package sources

import "testing"

func TestCharsets(t *testing.T) {
	for _, tt := range []struct{ charset, in, want string }{
		{"", "Ad\xe9le", "Adéle"},
		{"", "Adéle", "Adéle"},
		{"UTF-8", "Adéle", "Adéle"},
		{"windows-1252", "\x80", "€"},
		{"ISO-8859-1", "\x80", "€"},
		{"latin1", "\xe9", "é"},
		{"iso_8859-15", "\xa4", "€"},
		{"CP1251", "\xc0\xe4\xe0", "Ада"},
		{"KOI8-R", "\xe1\xc4\xc1", "Ада"},
		{"Shift_JIS", "\x83A\x83_", "アダ"},
		{"EUC-JP", "\xa5\xa2\xa5\xc0", "アダ"},
		{"gb2312", "\xb0\xa2\xb4\xef", "阿达"},
		{"EUC-KR", "\xbe\xc6\xb4\xd9", "아다"},
		{"klingon", "Adéle", "Adéle"},
		{"klingon", "Ad\xe9le", "Adéle"},
	} {
		if got := string(toUTF8([]byte(tt.in), tt.charset)); got != tt.want {
			t.Errorf("%q of %s is %q, want %q", tt.in, tt.charset, got, tt.want)
		}
	}
}
