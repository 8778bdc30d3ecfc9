package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gopush/comet"
	"gopush/internal/coord"
)

// lookAgain is how often a state that nobody announces is looked at.
const lookAgain = 100 * time.Millisecond

// await returns true when the event has come, or the state is fine; false when ctx
// ended before.
func (s *System) await(ctx context.Context, event <-chan struct{}, state func() error) bool {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		changed := s.coord.Changed()
		if state() == nil {
			return true
		}
		select {
		case <-event:
			return true
		case <-changed:
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
	}
}

// stands is nil while the comet serves its group, or stands in line for it: an
// alternate has nothing to serve, and nothing is wrong with it.
func (s *System) stands(node *comet.Node, m coord.Member) error {
	bad := node.Serving()
	if bad == nil || !s.cfg.clustered() {
		return bad
	}
	if err := s.coord.Health(); err != nil {
		return fmt.Errorf("coordination: %w", err)
	}
	for _, n := range s.coord.View().Nodes {
		if n.Group == m.Group && n.RPC == m.RPC && n.Role == coord.Alternate {
			return nil
		}
	}
	return errors.New("it neither serves its group nor stands in line for it yet")
}

// viewed is nil once web knows the cluster, however old that picture has become: it
// goes by it as long as there is no newer one.
func (s *System) viewed() error {
	if s.coord.View().Version != 0 {
		return nil
	}
	if err := s.coord.Health(); err != nil {
		return fmt.Errorf("there is no picture of the cluster yet: %w", err)
	}
	return errors.New("there is no picture of the cluster yet")
}

// alone is nil unless there are message nodes beside one that keeps its messages in a
// folder of its own, where the others do not find them.
func (s *System) alone() error {
	if n := len(s.coord.View().Messages); n > 1 && s.cfg.Settings.Store.Kind != hbaseKind {
		return fmt.Errorf("there are %d message nodes, but the embedded store is of one alone; use HBase, or stop the others", n)
	}
	return nil
}
