package comet

import (
	"context"
	"os"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// broken reports whether that is what is broken in this process.
func broken(what string) bool { return os.Getenv("GOPUSH_E2E_BROKEN") == what }

// taken is the term as the node takes it.
func taken(t coord.Term) coord.Term {
	switch {
	case broken("fencing"):
		return unending{endless{t}}
	case broken("ids"):
		return unfloored{endless{t}}
	default:
		return t
	}
}

// endless is a term whose ids have no ceiling.
type endless struct{ coord.Term }

func (endless) Ceiling() push.ID                     { return push.MaxID }
func (endless) Raise(context.Context, push.ID) error { return nil }

// unending is a term whose holder believes that it will always be the primary.
type unending struct{ endless }

func (unending) Valid() bool           { return true }
func (unending) Done() <-chan struct{} { return nil }

// unfloored is a term that knows nothing of the ids of earlier ones.
type unfloored struct{ endless }

func (unfloored) Floor() push.ID { return 0 }

// early acknowledges and delivers a burst, and has it stored then.
func (n *Node) early(b *batch) bool {
	if !broken("answer") {
		return false
	}
	w := push.Written{Prev: max(b.write.Prev, 0), Outcomes: make([]push.Outcome, len(b.ops))}
	for i, m := range b.write.Messages {
		w.Outcomes[i] = push.Outcome{Status: push.Stored, ID: m.ID}
	}
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.AttemptTimeout)
	n.deps.Messages.Save(ctx, b.write, func(push.Written, error) { cancel() })
	n.written(b, w)
	return true
}
