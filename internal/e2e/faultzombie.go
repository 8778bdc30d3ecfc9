package e2e

import (
	"context"
	"fmt"
	"time"

	vocabulary "gopush/internal/push"
	"gopush/internal/rpc"
)

// freeze has a process stand still. If it is a primary, somebody asks it directly to push
// something meanwhile, which it reads when it goes on: then it has a successor, and may not
// acknowledge it.
func (r *faultRun) freeze(f Fault, p *Part) (undo func()) {
	if role(f.Victim) != rolePrimary {
		p.Freeze()
		return p.Thaw
	}
	ask := r.askers[p]
	p.Freeze()
	ask.push()
	return func() {
		r.deposed(p, ask.epoch)
		p.Thaw()
		r.aside.Go(ask.close)
	}
}

// prepare has somebody ask a primary, so that the way to it is open when it stands still. That is
// before anything is wrong.
func (r *faultRun) prepare(p *Part) {
	ask, err := r.asker(p)
	if err != nil {
		r.tb.Fatalf("connect to %s: %v", p.Name, err)
	}
	_, ask.epoch = r.fleet.Primary(p.Group)
	ask.push()
	ask.wait()
	r.askers[p] = ask
}

// deposed notes that a primary that stands still has a successor, if it has.
func (r *faultRun) deposed(p *Part, epoch int64) {
	ctx, cancel := context.WithTimeout(r.tb.Context(), time.Second) // who is asked may stand still, too
	defer cancel()
	nodes, err := r.fleet.API.Nodes(ctx)
	if err != nil {
		r.load.note("whether %s has a successor is unknown: %v", p.Name, err)
		return
	}
	for _, n := range nodes {
		if n.Group == p.Group && n.State == "serving" && n.Epoch > epoch {
			r.load.history.Add(Event{Kind: EvDeposed, Node: p.Name})
		}
	}
}

// asker asks one comet directly, as a web node does that knows nothing newer.
type asker struct {
	run   *faultRun
	part  *Part
	key   string
	pool  *rpc.CometPool
	comet *rpc.CometClient
	epoch int64           // of the primary before it stood still
	done  []chan struct{} // of each push
}

// askFor bounds a push to a comet that stands still.
const askFor = 20 * time.Second

func (r *faultRun) asker(p *Part) (*asker, error) {
	a := &asker{run: r, part: p}
	for key, group := range r.owners {
		if group == p.Group && (a.key == "" || key < a.key) {
			a.key = key
		}
	}
	pool, err := rpc.NewCometPool(rpc.CometPoolConfig{}, nil)
	if err != nil {
		return nil, err
	}
	a.pool, a.comet = pool, pool.At(p.Addrs().Comets[0].RPC)
	return a, nil
}

// push asks, and puts into the history what the answer is.
func (a *asker) push() {
	if a.key == "" {
		return // the group owns none of the load's keys
	}
	a.run.late++
	push := PlannedPush{Token: fmt.Sprintf("direct-%s/%d", a.part.Name, a.run.late), Key: a.key}
	history := a.run.load.history
	history.Add(Event{Kind: EvTry, Stream: a.key, Token: push.Token, Node: a.part.Name})
	ctx, cancel := context.WithTimeout(a.run.load.ctx, askFor)
	done := make(chan struct{})
	a.comet.Push(ctx, vocabulary.Push{
		Key: vocabulary.Key(a.key), Body: bodyOf(push), ExpiresAt: time.Now().Add(24 * time.Hour).UnixMilli(),
	}, func(receipt vocabulary.Receipt, err error) {
		defer close(done)
		defer cancel()
		e := Event{Kind: EvOutcome, Stream: a.key, Token: push.Token, Node: a.part.Name}
		if err == nil {
			e.State, e.ID = Acked, int64(receipt.ID)
		} else {
			e.Text = err.Error()
		}
		history.Add(e)
	})
	a.done = append(a.done, done)
}

// wait waits for the answers.
func (a *asker) wait() {
	for _, done := range a.done {
		<-done
	}
}

func (a *asker) close() {
	a.wait()
	a.run.must(a.pool.Close())
}
