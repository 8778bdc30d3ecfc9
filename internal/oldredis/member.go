package oldredis

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gopush/internal/push"
)

// Reason says why something could not be imported.
type Reason string

// The reasons.
const (
	WrongType Reason = "not a sorted set"
	BadKey    Reason = "not a subscription key"
	BadMember Reason = "not a member of gopush-cluster 1.0"
	BadScore  Reason = "the score is no id"
	TooLarge  Reason = "larger than messages.max_bytes"
	Future    Reason = "the id is ahead of the clock"
	// Late is below the newest id that the key has in gopush, and not there: a
	// reader may be past its place.
	Late Reason = "too late: the key has newer messages in gopush"
)

// reasonError is a Reason as an error.
type reasonError struct{ Reason }

func (e reasonError) Error() string { return string(e.Reason) }

func reasonOf(err error) (Reason, bool) {
	e, ok := errors.AsType[reasonError](err)
	return e.Reason, ok
}

// maxScore is where doubles get further than 4 apart, in the year 2084.
const maxScore = 1 << 55

// rounded is how far a score may lie from the id that it was made from.
const rounded = 2

// idOf is where a message with that score has its place here: the multiple of 16
// at or below every id that it may have had. A client that has it already, by its
// exact id or by the score, is not behind that; and one that has the message
// before is, as long as they were more than 2 µs apart.
func idOf(score float64, now time.Time) (push.ID, error) {
	if score != math.Trunc(score) || score < float64(push.Step)+rounded || score >= maxScore {
		return 0, reasonError{BadScore} // NaN equals nothing, itself included
	}
	id := (push.ID(score) - rounded) / push.Step * push.Step
	if id > push.IDAt(now) {
		return 0, reasonError{Future}
	}
	return id, nil
}

// places gives the members of one set their places here, from the lowest score on.
type places struct{ last push.ID }

// of is the place of the next member: the id that an export has noted in it, or else the one
// that its score leads to; moved, if that is taken already.
func (p *places) of(z redis.Z, now time.Time) (id push.ID, moved bool, err error) {
	if id, err = idOf(z.Score, now); err != nil {
		return 0, false, err
	}
	if noted := notedID(fmt.Sprint(z.Member)); noted > p.last && float64(noted) == z.Score {
		id = noted
	}
	if moved = id <= p.last; moved {
		id = p.last + push.Step
	}
	p.last = id
	return id, moved, nil
}

// notedID is the id in a member that an export has written; 0: it is the old system's own.
func notedID(member string) push.ID {
	var m struct {
		ID push.ID `json:"gopush"`
	}
	if !strings.Contains(member, `"gopush":`) { // nearly always
		return 0
	}
	if err := json.Unmarshal([]byte(member), &m); err != nil || m.ID%push.Step != 0 {
		return 0
	}
	return m.ID
}

// compose writes a message as the old system would, and notes its id besides, which that
// ignores: so no two messages are one member, and an import finds the id again. It ends with
// the last whole second before its end here.
func compose(m *push.Message) string {
	// By hand, as encoding/json would change the bytes of the body.
	return fmt.Sprintf(`{"msg":%s,"expire":%d,"gopush":%d}`, m.Body, m.ExpiresAt/1000-1, m.ID)
}

// parse reads a member. Its ExpiresAt is in milliseconds, and may be over.
func parse(member string, maxBytes int) (push.Message, error) {
	var m struct {
		Msg    json.RawMessage `json:"msg"`
		Expire *int64          `json:"expire"`
	}
	if err := json.Unmarshal([]byte(member), &m); err != nil || m.Msg == nil || m.Expire == nil || *m.Expire < 0 || *m.Expire > math.MaxInt64/1000 {
		return push.Message{}, reasonError{BadMember}
	}
	if len(m.Msg) > maxBytes {
		return push.Message{}, reasonError{TooLarge}
	}
	return push.Message{ExpiresAt: *m.Expire * 1000, Body: m.Msg}, nil
}
