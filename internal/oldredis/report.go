package oldredis

import (
	"maps"

	"gopush/internal/push"
)

// Report is what an import did.
type Report struct {
	Sets     int `json:"sets"`     // that were looked at
	Messages int `json:"messages"` // that they had
	Imported int `json:"imported"` // or would be, in a dry run
	Present  int `json:"present"`  // in gopush already
	Expired  int `json:"expired"`  // left out, as they are over
	// Before are those that were imported going on from a checkpoint, before this pass over all.
	Before int `json:"imported_before"`
	// Moved are those that were so near to the one before that they got a place above
	// their own: whoever has one already may get it once more.
	Moved int `json:"moved"`
	// Failed counts what could not be imported.
	Failed map[Reason]int `json:"failed"`
	// Examples are the first of them.
	Examples []Failure `json:"examples"`
}

// Failure is one message, or one set, that could not be imported.
type Failure struct {
	Server string `json:"server"`
	Name   string `json:"name"`            // of the set
	Score  string `json:"score,omitempty"` // empty: the set as a whole
	Reason Reason `json:"reason"`
}

// Failures is how many could not be imported.
func (r *Report) Failures() (n int) {
	for _, some := range r.Failed {
		n += some
	}
	return n
}

func (r *Report) fail(f Failure) {
	if r.Failed == nil {
		r.Failed = make(map[Reason]int)
	}
	r.Failed[f.Reason]++
	if len(r.Examples) < maxExamples {
		r.Examples = append(r.Examples, f)
	}
}

// Exported is what an export did.
type Exported struct {
	Keys      int `json:"keys"`      // that were looked at
	Messages  int `json:"messages"`  // that they had in gopush
	Exported  int `json:"exported"`  // or would be, in a dry run
	Present   int `json:"present"`   // in Redis already
	Withdrawn int `json:"withdrawn"` // removed from Redis, as they were recalled in gopush
	// Before are those that were exported going on from a checkpoint, before this pass over all.
	Before int `json:"exported_before"`
	// Largest is how many messages the fullest set has now. The old system keeps no more than its
	// setting redis.store says, from its next push to that key on.
	Largest int `json:"largest"`
	// Newest is the highest id that any of the keys has had.
	Newest push.ID `json:"newest"`
}

func (e *Exported) add(o *Exported) {
	e.Keys += o.Keys
	e.Messages += o.Messages
	e.Exported += o.Exported
	e.Present += o.Present
	e.Withdrawn += o.Withdrawn
	e.Largest = max(e.Largest, o.Largest)
	e.Newest = max(e.Newest, o.Newest)
}

// maxExamples bounds what is kept, and printed.
const maxExamples = 20

// add adds another report to it.
func (r *Report) add(o *Report) {
	r.Sets += o.Sets
	r.Messages += o.Messages
	r.Imported += o.Imported
	r.Present += o.Present
	r.Expired += o.Expired
	r.Moved += o.Moved
	failed := maps.Clone(r.Failed)
	if failed == nil {
		failed = make(map[Reason]int)
	}
	for reason, n := range o.Failed {
		failed[reason] += n
	}
	r.Failed = failed
	r.Examples = append(r.Examples, o.Examples[:min(len(o.Examples), maxExamples-len(r.Examples))]...)
}
