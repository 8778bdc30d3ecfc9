package web

import (
	"encoding/json"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"gopush/internal/push"
)

// readAll reads a body of size bytes (0: unknown), whose reader enforces limit.
func readAll(body io.Reader, size, limit int64) ([]byte, error) {
	buf := make([]byte, 0, size+512)
	for {
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, errTooLarge(limit)
		}
		if err != nil {
			return nil, push.Wrap(push.KindBadRequest, err, "the body ended early")
		}
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf))
		}
	}
}

// errTooLarge names the limit, so that the caller need not look it up.
func errTooLarge(limit int64) error {
	return push.E(push.KindTooLarge, "the body is longer than %d bytes", limit)
}

// isJSON reports whether b is one JSON value in valid UTF-8; encoding/json alone
// lets invalid UTF-8 within strings pass. Nesting is bounded by encoding/json,
// numbers are not looked at.
func isJSON(b []byte) bool { return utf8.Valid(b) && json.Valid(b) }

// needType refuses a body that says it is something else. A missing type
// passes; what a browser may send across origins without asking (text/plain, a
// form) does not.
func needType(r *http.Request, types ...string) error {
	given := r.Header.Get("Content-Type")
	if given == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(given)
	if err == nil && slices.Contains(types, media) {
		return nil
	}
	return push.E(push.KindBadRequest, "the content type must be %s; with curl add -H 'Content-Type: %s'", strings.Join(types, " or "), types[0])
}

// members yields the members of a JSON object in their order: the name, and the
// bytes of the value. obj must be valid JSON; what is no object has no members.
// It copies nothing, so that a large value costs no more than a look.
func members(obj []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		i := skipSpace(obj, 0)
		if i == len(obj) || obj[i] != '{' {
			return
		}
		for i = skipSpace(obj, i+1); obj[i] != '}'; i = skipSpace(obj, i) {
			if obj[i] == ',' {
				i = skipSpace(obj, i+1)
			}
			nameEnd := skipString(obj, i)
			name := obj[i+1 : nameEnd-1]
			if slices.Contains(name, '\\') {
				plain, _ := unquote(obj[i:nameEnd])
				name = []byte(plain)
			}
			i = skipSpace(obj, skipSpace(obj, nameEnd)+1) // past the colon
			end := skipValue(obj, i)
			if !yield(name, obj[i:end]) {
				return
			}
			i = end
		}
	}
}

// skipSpace returns the index of the first byte from i on that is not white space
// in JSON's sense; others, such as a no-break space, are part of no valid JSON.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns the index after the value that begins at i. It counts
// brackets instead of recursing: depth costs nothing.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 {
				return i // the end of the object around a bare number
			}
			depth--
			i++
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			continue
		}
		if depth == 0 {
			return i
		}
	}
	return i
}

// unquote decodes a JSON string; ok is false when raw is another value.
func unquote(raw []byte) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if plain := raw[1 : len(raw)-1]; !slices.Contains(plain, '\\') {
		return string(plain), true
	}
	return s, json.Unmarshal(raw, &s) == nil
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string. s must be valid UTF-8. Unlike
// encoding/json it leaves <, > and & as they are.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
