package web

import (
	"slices"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// A node that hangs answers nothing, not even that it is not the owner any more. So a
// pipeline compares its tries with each new view of the cluster.

// compare looks whether tries are out at nodes that have a successor. Those get a
// moment for their last answers.
func (p *pipeline) compare() {
	p.changed = p.s.deps.Directory.Changed()
	if slices.ContainsFunc(p.order, p.orphaned) {
		p.deposed.Reset(lastAnswers)
	}
}

// abandon gives up the tries whose node may hang, and has nothing to say any more. The
// outcome of those is unknown.
func (p *pipeline) abandon() {
	for _, it := range p.order {
		if p.orphaned(it) {
			it.cancel()
		}
	}
}

// orphaned: a try is out that may be made again elsewhere.
func (p *pipeline) orphaned(it *item) bool {
	return it.cancel != nil && it.push.IdempotencyKey != "" && p.s.deposed(it.push.Key, it.owner)
}

// elsewhere reports whether tries of the lane are out at another term than owner's:
// what came after them must not overtake them.
func (l *lane) elsewhere(owner coord.Group) bool {
	return l.flying > 0 && (l.owner.Group != owner.Group || l.owner.Epoch != owner.Epoch)
}

// inDoubt makes the last error of a push honest: a refusal says that nothing has
// happened, but an earlier try may have been stored.
func inDoubt(err error) error {
	if again(err, false) {
		return push.Wrap(push.KindOutcomeUnknown, err, "it could not be tried again in time, but an earlier try may have been stored; retry with the same Idempotency-Key")
	}
	return err
}
