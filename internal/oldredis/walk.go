package oldredis

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"gopush/internal/push"
)

const (
	// atATime is how many sets are worked on at the same time. The messages of one are
	// stored one after the other.
	atATime = 128
	// partsAhead is how many answers of SCAN may be begun while an earlier one is not done, as
	// it has a set of very many messages.
	partsAhead = 64
)

// part is one answer of SCAN.
type part struct {
	next uint64        // where SCAN goes on behind it; 0 is the end
	done chan struct{} // closed when all of its sets are done; never, if one has failed

	mu     sync.Mutex
	left   int    // guarded by mu: sets that are not done
	report Report // guarded by mu until done is closed
}

// add notes what became of one of its sets.
func (p *part) add(r *Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report.add(r)
	if p.left--; p.left == 0 {
		close(p.done)
	}
}

// server goes over the sets of the checkpoint's server.
func (i *Importer) server(ctx context.Context, c *checkpoint) error {
	s := connect(address(i.cfg.Servers[c.Server]), i.cfg.Password, i.cfg.Database)
	defer func() { _ = s.client.Close() }() // nothing was written
	run, err := s.run(ctx)
	if err != nil {
		return err
	}
	if run == "" || run != c.Run {
		c.Run, c.Cursor, c.Report = run, 0, c.Begun
	}
	g, under := errgroup.WithContext(ctx)
	g.SetLimit(atATime + 2) // and the two that follow
	parts, from := make(chan *part, partsAhead), c.Cursor
	g.Go(func() error {
		defer close(parts)
		return i.scan(under, g, s, from, parts)
	})
	g.Go(func() error { return i.commit(under, c, parts) })
	if err := g.Wait(); err != nil {
		return err
	}
	if now, err := s.run(ctx); err != nil || now != run {
		return cmp.Or(err, error(push.E(push.KindStoreUnavailable, "Redis at %s has been started anew meanwhile, so some of its sets were perhaps not seen; run it again", s.addr)))
	}
	return nil
}

// scan has the group import all sets from a cursor on, as many at the same time as it may, and
// hands on the parts that they are of, in their order.
func (i *Importer) scan(ctx context.Context, g *errgroup.Group, s *server, cursor uint64, parts chan<- *part) error {
	for {
		names, next, err := s.names(ctx, cursor, i.cfg.Match)
		if err != nil {
			return err
		}
		slices.Sort(names)
		names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return !i.part.Has(i.keyOf(name)) })
		p := &part{next: next, done: make(chan struct{}), left: len(names)}
		select {
		case parts <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(names) == 0 {
			close(p.done)
		}
		for _, name := range names {
			g.Go(func() error {
				r, err := i.set(ctx, s, name)
				if err == nil {
					p.add(r)
				}
				return err
			})
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// commit moves the checkpoint behind each part that is done, but for those behind one that is not.
func (i *Importer) commit(ctx context.Context, c *checkpoint, parts <-chan *part) error {
	for p := range parts {
		select {
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		c.Report.add(&p.report)
		c.Cursor = p.next
		if p.next == 0 {
			return nil
		}
		if err := c.save(i.cfg.Checkpoint); err != nil {
			return err
		}
	}
	return nil
}
