package wire

import "unicode/utf8"

// JSON is written by hand here: a frame is made for every message, and these
// functions allocate nothing when dst has room.

const hex = "0123456789abcdef"

// appendValue adds one JSON value without its insignificant whitespace. The
// value was checked when it was pushed; but that check lets invalid UTF-8 pass
// inside of strings, which becomes U+FFFD here. No byte below 0x20 comes out, so
// the result is one line. An empty value becomes null.
func appendValue(dst, value []byte, html bool) []byte {
	if len(value) == 0 {
		return append(dst, "null"...)
	}
	done, quoted := 0, false // value[:done] is in dst
	for i := 0; i < len(value); {
		c := value[i]
		switch {
		case !quoted && c <= ' ':
			dst = append(dst, value[done:i]...)
			i++
			done = i
		case special(c, html):
			var size int
			dst = append(dst, value[done:i]...)
			dst, size = appendSpecial(dst, value[i:], html)
			i += size
			done = i
		case c == '"':
			quoted = !quoted
			i++
		case c == '\\' && i+1 < len(value) && (value[i+1] == '"' || value[i+1] == '\\'):
			i += 2
		default:
			i++
		}
	}
	return append(dst, value[done:]...)
}

// appendString adds s as a JSON string.
func appendString[T ~string | ~[]byte](dst []byte, s T, html bool) []byte {
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		if c := s[i]; c != '"' && c != '\\' && !special(c, html) {
			i++
			continue
		}
		var size int
		dst = append(dst, s[done:i]...)
		dst, size = appendSpecial(dst, s[i:], html)
		i += size
		done = i
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}

// special reports whether a character that begins with c may not stay as it is,
// wherever it stands.
func special(c byte, html bool) bool {
	return c < ' ' || c >= utf8.RuneSelf || html && (c == '<' || c == '>' || c == '&')
}

// appendSpecial adds the first character of s, escaped if need be, and gives the
// number of bytes that it has in s.
func appendSpecial[T ~string | ~[]byte](dst []byte, s T, html bool) ([]byte, int) {
	if c := s[0]; c < utf8.RuneSelf {
		return appendEscape(dst, c), 1
	}
	// A character has at most 4 bytes; so short a copy stays on the stack.
	r, size := utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
	switch {
	case r == utf8.RuneError && size == 1:
		dst = append(dst, `\ufffd`...)
	case html && (r == '\u2028' || r == '\u2029'):
		dst = append(dst, `\u202`...)
		dst = append(dst, hex[r&0xf])
	default:
		dst = append(dst, s[:size]...)
	}
	return dst, size
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
	case '\b':
		c = 'b'
	case '\f':
		c = 'f'
	case '\n':
		c = 'n'
	case '\r':
		c = 'r'
	case '\t':
		c = 't'
	default:
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
	}
	return append(dst, '\\', c)
}
