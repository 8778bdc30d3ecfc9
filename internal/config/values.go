package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// form is how a scalar is written in YAML.
type form uint8

const (
	textForm  form = iota + 1 // a plain or quoted string
	wholeForm                 // an integer of any notation
	partForm                  // a number with a point
	boolForm
	listForm
	otherForm // a map, an alias: nothing that a setting can be
)

// value is a setting of some type: a pointer into the settings, and the rule for
// what may stand there.
//
// YAML guesses types: a group named 1 is a number to it, and a level named on a
// boolean. So a value says in which form it may be written, and nothing is
// converted silently.
type value interface {
	// accepts reports whether such a scalar can be meant, and what to write
	// instead if not.
	accepts(f form) (ok bool, instead string)
	// set reads the text, and leaves the setting alone on an error.
	set(text string) error
	// check looks at what is set now, which code may have set.
	check() error
	// yaml is the setting in a form that set, in a file, would read back.
	yaml() string
	// pointer points to the setting.
	pointer() any
}

// live marks a value that a running process takes over when the settings are read
// again. It takes care that whoever uses the setting can be told: see the package serve.
type live struct{ value }

// plain is the value without that mark.
func plain(v value) value {
	if l, ok := v.(live); ok {
		return l.value
	}
	return v
}

// take copies a setting from other settings.
func take(to, from value) {
	reflect.ValueOf(to.pointer()).Elem().Set(reflect.ValueOf(from.pointer()).Elem())
}

// text is any string that follows the rule.
type text struct {
	p    *string
	rule func(string) error // nil: not empty
}

func (t *text) accepts(f form) (bool, string) { return f == textForm, "text; put it in quotes" }
func (t *text) yaml() string                  { return quoted(*t.p) }
func (t *text) check() error                  { return t.allowed(*t.p) }
func (t *text) pointer() any                  { return t.p }

// allowed keeps out what a line of a log or of a printed file could not show.
func (t *text) allowed(s string) error {
	switch {
	case !utf8.ValidString(s):
		return fmt.Errorf("%q is not valid UTF-8", s)
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("%q holds a control character; remove it", s)
	case t.rule != nil:
		return t.rule(s)
	case s == "":
		return errors.New("it is empty; give a value or remove the line")
	}
	return nil
}

func (t *text) set(s string) error {
	if err := t.allowed(s); err != nil {
		return err
	}
	*t.p = s
	return nil
}

// quoted is s as a YAML string. JSON's form is one, and Go's is JSON's for what
// a setting can hold.
func quoted(s string) string { return strconv.Quote(s) }

// boolean is true or false, and none of YAML's other words for them.
type boolean struct{ p *bool }

func (b *boolean) accepts(f form) (bool, string) {
	return f == boolForm, "true or false, without quotes"
}
func (b *boolean) yaml() string { return strconv.FormatBool(*b.p) }
func (b *boolean) check() error { return nil }
func (b *boolean) pointer() any { return b.p }

func (b *boolean) set(s string) error {
	switch s {
	case "true", "false":
		*b.p = s == "true"
		return nil
	default:
		return fmt.Errorf("%q is neither true nor false", s)
	}
}

// number is a whole number within bounds.
type number struct {
	p         *int
	low, high int
}

func (n *number) accepts(f form) (bool, string) {
	return f == wholeForm, fmt.Sprintf("a whole number from %d to %d, without quotes", n.low, n.high)
}
func (n *number) yaml() string { return strconv.Itoa(*n.p) }
func (n *number) check() error { return within(*n.p, n.low, n.high, strconv.Itoa) }
func (n *number) pointer() any { return n.p }

func (n *number) set(s string) error {
	v, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("%q is not a whole number from %d to %d", s, n.low, n.high)
	}
	if err := within(v, n.low, n.high, strconv.Itoa); err != nil {
		return err
	}
	*n.p = v
	return nil
}

// within says what is wrong with a value outside its bounds; show gives the
// values as a person would write them.
func within[T int | time.Duration](v, low, high T, show func(T) string) error {
	if v < low || v > high {
		return fmt.Errorf("%s is out of range; it must be %s to %s", show(v), show(low), show(high))
	}
	return nil
}

// size is a count of bytes: a whole number, or one with KiB or MiB behind it.
type size struct {
	p         *int
	low, high int
}

func (z *size) accepts(f form) (bool, string) {
	return f == wholeForm || f == textForm, "a size such as 64KiB"
}
func (z *size) yaml() string { return sizeText(*z.p) }
func (z *size) check() error { return within(*z.p, z.low, z.high, sizeText) }
func (z *size) pointer() any { return z.p }

func (z *size) set(s string) error {
	digits, unit := s, 1
	for suffix, bytes := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20} {
		if d, ok := strings.CutSuffix(s, suffix); ok {
			digits, unit = strings.TrimSpace(d), bytes
		}
	}
	v, err := strconv.ParseUint(digits, 10, 32) // 32 bits: the product below cannot overflow
	if err != nil {
		return fmt.Errorf("%q is not a size; write bytes, or a number with KiB or MiB, such as 64KiB", s)
	}
	if err := within(int(v)*unit, z.low, z.high, sizeText); err != nil {
		return err
	}
	*z.p = int(v) * unit
	return nil
}

// sizeText uses the largest unit that loses nothing.
func sizeText(n int) string {
	switch {
	case n != 0 && n%(1<<20) == 0:
		return strconv.Itoa(n>>20) + "MiB"
	case n != 0 && n%(1<<10) == 0:
		return strconv.Itoa(n>>10) + "KiB"
	default:
		return strconv.Itoa(n)
	}
}

// duration is a span of time in Go's form, or a whole number of days.
type duration struct {
	p         *time.Duration
	low, high time.Duration
}

func (d *duration) accepts(f form) (bool, string) {
	return f == textForm, "a time with its unit, such as 30s, 5m, 12h or 30d"
}
func (d *duration) yaml() string { return durationText(*d.p) }
func (d *duration) check() error { return within(*d.p, d.low, d.high, durationText) }
func (d *duration) pointer() any { return d.p }

func (d *duration) set(s string) error {
	v, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16) // 16 bits: no overflow below
		v = time.Duration(n) * day
	}
	if err != nil {
		return fmt.Errorf("%q is not a time; write a number with its unit, such as 30s, 5m, 12h or 30d", s)
	}
	if err := within(v, d.low, d.high, durationText); err != nil {
		return err
	}
	*d.p = v
	return nil
}

// durationText is short, and reads back as the same time.
func durationText(d time.Duration) string {
	if d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	// 12h0m0s reads worse than 12h.
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// share is a part of a whole, 0 to 1.
type share struct{ p *float64 }

func (s *share) accepts(f form) (bool, string) {
	return f == wholeForm || f == partForm, "a number from 0 to 1, without quotes"
}
func (s *share) yaml() string { return strconv.FormatFloat(*s.p, 'f', -1, 64) }
func (s *share) check() error { return s.allowed(*s.p) }
func (s *share) pointer() any { return s.p }

func (s *share) allowed(v float64) error {
	if !(v >= 0 && v <= 1) { // nor NaN
		return fmt.Errorf("%v is out of range; it must be 0 to 1", v)
	}
	return nil
}

func (s *share) set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("%q is not a number from 0 to 1, such as 0.01", text)
	}
	if err := s.allowed(v); err != nil {
		return err
	}
	*s.p = v
	return nil
}

// list is a list of strings that follow the rule each. As one text its items
// are separated by commas.
type list struct {
	p    *[]string
	rule func(string) error
}

func (l *list) accepts(f form) (bool, string) { return f == listForm, `a list, such as ["a", "b"]` }

func (l *list) yaml() string {
	items := make([]string, len(*l.p))
	for i, s := range *l.p {
		items[i] = quoted(s)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func (l *list) check() error { return l.allowed(*l.p) }
func (l *list) pointer() any { return l.p }

func (l *list) allowed(items []string) error {
	var errs []error
	for _, s := range items {
		errs = append(errs, l.rule(s))
	}
	return errors.Join(errs...)
}

// set is for flags and variables; a file gives its items one by one.
func (l *list) set(s string) error {
	if s == "" {
		return l.setItems(nil)
	}
	return l.setItems(strings.Split(s, ","))
}

func (l *list) setItems(items []string) error {
	if err := l.allowed(items); err != nil {
		return err
	}
	*l.p = items
	return nil
}
