package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// pusher does one pusher's plan. It is used by one goroutine.
type pusher struct {
	*scene
	plan PusherPlan
	rand *rand.Rand // of waits between tries
	read int64      // up to where byV1 has read its key
}

// run does every step, however late, and leaves nothing behind that it could still
// get acknowledged.
func (p *pusher) run(ctx context.Context) {
	for _, step := range p.plan.Steps {
		if !p.until(ctx, step.At) {
			return
		}
		if step.Batch {
			p.batch(ctx, step)
			continue
		}
		push := step.Pushes[0]
		o := p.insist(ctx, push, Outcome{State: Refused})
		switch {
		case o.State != Acked:
		case step.Recall:
			p.recall(ctx, push.Key, o.ID)
		case step.Repeat:
			p.insist(ctx, push, Outcome{State: Refused})
		}
	}
}

// insist tries until the push is acknowledged or must not be tried again; last is
// what is known of it so far.
func (p *pusher) insist(ctx context.Context, push PlannedPush, last Outcome) Outcome {
	for mayTry(push, last) {
		p.try(push)
		last = p.api.Push(ctx, asked(push))
		p.outcome(push, last)
		if last.State == Acked || !Pause(ctx, 10*time.Millisecond+upTo(p.rand, 200*time.Millisecond)) {
			break
		}
		if last.Code == "conflict" {
			p.fault(p.plan.Name, "%s is a conflict with itself: %s", push.Token, last.Err)
			break
		}
	}
	if last.State != Acked && push.Idempotent {
		p.fault(p.plan.Name, "%s was never acknowledged: %s", push.Token, last.Err)
	}
	return last
}

// mayTry: what may have been stored is tried again under an idempotency key only.
func mayTry(push PlannedPush, last Outcome) bool {
	return last.State == Refused || last.State == Unknown && push.Idempotent
}

func (p *pusher) try(push PlannedPush) {
	e := Event{Kind: EvTry, Stream: push.Key, Token: push.Token}
	if push.TTL > 0 {
		e.Expires = time.Now().Add(push.TTL).UnixMilli()
	}
	p.history.Add(e)
}

func (p *pusher) outcome(push PlannedPush, o Outcome) {
	e := Event{Kind: EvOutcome, Stream: push.Key, Token: push.Token, State: o.State, ID: o.ID, Text: o.Err}
	if push.TTL > 0 {
		// The life began when the server read the request: no later than now, give or
		// take what was still on its way when the pusher lost patience.
		e.Expires = time.Now().Add(push.TTL + time.Second).UnixMilli()
	}
	p.history.Add(e)
	if o.Code == "internal" {
		p.fault(p.plan.Name, "%s met a fault of the server: %s", push.Token, o.Err)
	}
}

func asked(push PlannedPush) Message {
	m := Message{Key: push.Key, Data: bodyOf(push), TTL: int(push.TTL / time.Second)}
	if push.Idempotent {
		m.Idempotency = strings.ReplaceAll(push.Token, " ", "_")
	}
	return m
}

// bodyOf carries the token, so that readers can tell what they got.
func bodyOf(push PlannedPush) json.RawMessage {
	return fmt.Appendf(nil, `{"t":%q,"pad":%q}`, push.Token, strings.Repeat("x", push.Pad))
}

// tokenOf reads a body of bodyOf.
func tokenOf(body json.RawMessage) string {
	var v struct{ T string }
	_ = json.Unmarshal(body, &v) // what is no such body has no token
	return v.T
}

func (p *pusher) recall(ctx context.Context, key string, id int64) {
	p.history.Add(Event{Kind: EvWithdraw, Stream: key, ID: id})
	o := p.api.Recall(ctx, key, id)
	p.history.Add(Event{Kind: EvWithdrawn, Stream: key, ID: id, State: o.State, Text: o.Err})
}

// batch pushes many at once, and what failed of them one by one.
func (p *pusher) batch(ctx context.Context, step Step) {
	var lines strings.Builder
	for _, push := range step.Pushes {
		p.try(push)
		lines.WriteString(asked(push).JSON() + "\n")
	}
	res, err := p.api.Admin(ctx, http.MethodPost, "/v2/messages/batch", lines.String(), "Content-Type", "application/x-ndjson")
	outcomes := batchOutcomes(len(step.Pushes), res, err)
	for i, push := range step.Pushes {
		p.outcome(push, outcomes[i])
	}
	for i, push := range step.Pushes {
		if outcomes[i].State != Acked && mayTry(push, outcomes[i]) {
			p.insist(ctx, push, outcomes[i])
		}
	}
}

// batchOutcomes reads the reply of a batch. What was cut off is unknown.
func batchOutcomes(n int, res Answer, err error) []Outcome {
	all := make([]Outcome, n)
	if err != nil || res.Status != http.StatusOK {
		for i := range all {
			all[i] = outcomeOf(res, err)
		}
		return all
	}
	for line := range strings.Lines(res.Body) {
		var reply struct {
			I     *int
			ID    string
			Error json.RawMessage
		}
		if json.Unmarshal([]byte(line), &reply) != nil || reply.I == nil || *reply.I < 0 || *reply.I >= n {
			continue
		}
		all[*reply.I] = lineOutcome(reply.ID, reply.Error)
	}
	return all
}

func lineOutcome(id string, problem json.RawMessage) Outcome {
	if id != "" {
		return ackOf(Answer{Status: http.StatusCreated, Body: fmt.Sprintf(`{"id":%q}`, id)})
	}
	var p struct{ Status int }
	if json.Unmarshal(problem, &p) != nil {
		return Outcome{Err: "a line without id or error"}
	}
	return outcomeOf(Answer{Status: p.Status, Body: string(problem)}, nil)
}

// byV1 pushes once by protocol v1. Its ack names no id, but what is acknowledged can be
// read: so the pusher looks its message up.
func (p *pusher) byV1(ctx context.Context, next func() PlannedPush) {
	push := next()
	p.try(push)
	target := "/1/admin/push/private?expire=86400&key=" + url.QueryEscape(push.Key)
	res, err := p.api.Admin(ctx, http.MethodPost, target, string(bodyOf(push)))
	switch {
	case err == nil && res.Status == http.StatusOK && strings.TrimSpace(res.Body) == `{"ret":0}`:
		p.outcome(push, p.lookUp(ctx, push))
	case err == nil && res.Status == http.StatusOK:
		p.outcome(push, Outcome{Err: res.String()})
	default:
		p.outcome(push, outcomeOf(res, err))
	}
}

// lookUp finds the id of a message that is acknowledged.
func (p *pusher) lookUp(ctx context.Context, push PlannedPush) Outcome {
	for ctx.Err() == nil {
		page, err := p.api.Messages(ctx, push.Key, strconv.FormatInt(p.read, 10), "", 0)
		if err != nil {
			p.note("%s is looked up: %v", push.Token, err)
			Pause(ctx, retryAfter)
			continue
		}
		for _, m := range page.Messages {
			if p.read, err = strconv.ParseInt(m.ID, 10, 64); err != nil {
				return Outcome{Err: err.Error()}
			}
			if tokenOf(m.Data) == push.Token {
				return Outcome{State: Acked, ID: p.read}
			}
		}
		if !page.More {
			p.fault(p.plan.Name, "%s is acknowledged and cannot be read", push.Token)
			break
		}
	}
	return Outcome{Err: "it is acknowledged, but was not found"}
}
