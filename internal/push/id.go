package push

import (
	"strconv"
	"time"
)

// ID is a message id: a count of 100 ns ticks since the Unix epoch, always a
// multiple of Step, strictly increasing per key in the order of the acks. As a
// cursor it means "everything above": 0 is before the first message.
type ID int64

const (
	// Step divides every id, so that an IEEE double holds it exactly.
	Step ID = 16
	// MaxID is the largest id there can be.
	MaxID ID = 1<<63 - 1
	// PrevUnknown stands for "the id before this one is not known here"; a
	// message node looks it up in the store.
	PrevUnknown ID = -1

	tick = 100 * time.Nanosecond
)

// IDAt is the smallest id that is not before t: t in ticks, rounded up to Step.
func IDAt(t time.Time) ID {
	n := t.Unix()*int64(time.Second/tick) + int64(t.Nanosecond())/int64(tick)
	if rest := n % int64(Step); rest > 0 {
		n += int64(Step) - rest
	}
	return ID(n)
}

// ParseID reads a decimal id or cursor, 0 to MaxID. Signs, spaces and overflow
// are errors of KindBadRequest.
func ParseID(s string) (ID, error) {
	if s == "" {
		return 0, E(KindBadRequest, "the id is empty; give a decimal number, 0 for the beginning")
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, E(KindBadRequest, "the id %q is not a decimal number", s)
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, E(KindBadRequest, "the id %q is above %d", s, MaxID)
	}
	return ID(n), nil
}

// String is the decimal form, as JSON of protocol v2 carries it.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// Time is the instant that the id counts to.
func (id ID) Time() time.Time {
	perSecond := int64(time.Second / tick)
	return time.Unix(int64(id)/perSecond, int64(id)%perSecond*int64(tick))
}
