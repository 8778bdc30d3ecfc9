package message_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/push"
	"gopush/message"
)

const now = 1000

// row is a message that lives, or one that has expired.
func row(id, prev push.ID) push.Message {
	return push.Message{ID: id, Prev: prev, ExpiresAt: now + 1, Body: []byte("12345678")}
}

func over(id, prev push.ID) push.Message {
	return push.Message{ID: id, Prev: prev, ExpiresAt: now}
}

func hole(after, until push.ID, why push.GapReason) push.Gap {
	return push.Gap{After: after, Until: until, Reason: why}
}

// assembly is what an Assembler is given, and the page that it makes of it.
type assembly struct {
	span  push.Span
	marks message.Marks
	cut   [2]push.ID // oldest, its predecessor
	rows  []push.Message
	ids   []push.ID
	gaps  []push.Gap
	next  push.ID
	more  bool
}

func (c assembly) check(t *testing.T) {
	t.Helper()
	if c.span.Limit == 0 {
		c.span.Limit = 10
	}
	a := message.NewAssembler(c.span, c.marks, now)
	if c.cut[0] > 0 {
		a.Cut(c.cut[0], c.cut[1])
	}
	for _, m := range c.rows {
		if m.ID > a.From() && !a.Add(m) {
			break
		}
	}
	page := a.Page()
	var ids []push.ID
	for _, m := range page.Messages {
		ids = append(ids, m.ID)
	}
	if diff := cmp.Diff(c.ids, ids); diff != "" {
		t.Error("messages", diff)
	}
	if diff := cmp.Diff(c.gaps, page.Gaps); diff != "" {
		t.Error("gaps", diff)
	}
	if page.Next != c.next || page.More != c.more {
		t.Errorf("next %d, more %v; want %d, %v", page.Next, page.More, c.next, c.more)
	}
}

// An Assembler says what is there, what is gone and where to go on.
func TestAssembler(t *testing.T) {
	for name, c := range map[string]assembly{
		"nothing":           {span: push.Span{After: 16}, next: 16},
		"a chain":           {span: push.Span{After: 16}, rows: []push.Message{row(32, 16), row(48, 32)}, ids: []push.ID{32, 48}, next: 48},
		"a hole":            {span: push.Span{After: 16}, rows: []push.Message{row(64, 48)}, ids: []push.ID{64}, gaps: []push.Gap{hole(16, 48, push.GapExpired)}, next: 64},
		"from the start":    {span: push.Span{}, rows: []push.Message{row(64, 48)}, ids: []push.ID{64}, next: 64},
		"a row that ended":  {span: push.Span{After: 16}, rows: []push.Message{over(32, 16), row(48, 32)}, ids: []push.ID{48}, gaps: []push.Gap{hole(16, 32, push.GapExpired)}, next: 48},
		"it ended off":      {span: push.Span{After: 16}, rows: []push.Message{over(32, 16), row(48, 16)}, ids: []push.ID{48}, next: 48},
		"the last ended":    {span: push.Span{After: 16}, rows: []push.Message{row(32, 16), over(48, 32)}, ids: []push.ID{32}, gaps: []push.Gap{hole(32, 48, push.GapExpired)}, next: 48},
		"swept":             {span: push.Span{After: 16}, marks: message.Marks{Expired: 48}, gaps: []push.Gap{hole(16, 48, push.GapExpired)}, next: 48},
		"swept below":       {span: push.Span{After: 64}, marks: message.Marks{Expired: 48}, next: 64},
		"swept above":       {span: push.Span{After: 16, Until: 32}, marks: message.Marks{Expired: 48}, gaps: []push.Gap{hole(16, 32, push.GapExpired)}, next: 32},
		"deleted":           {span: push.Span{After: 16}, marks: message.Marks{Deleted: 48}, rows: []push.Message{row(32, 16), row(64, 48)}, ids: []push.ID{64}, gaps: []push.Gap{hole(16, 48, push.GapDeleted)}, next: 64},
		"deleted above":     {span: push.Span{After: 16, Until: 32}, marks: message.Marks{Deleted: 48}, gaps: []push.Gap{hole(16, 32, push.GapDeleted)}, next: 32},
		"deleted and ended": {span: push.Span{After: 16}, marks: message.Marks{Deleted: 48, Expired: 80}, gaps: []push.Gap{hole(16, 48, push.GapDeleted), hole(48, 80, push.GapExpired)}, next: 80},
		"cut":               {span: push.Span{After: 16, Newest: 1}, cut: [2]push.ID{64, 48}, rows: []push.Message{row(48, 32), row(64, 48)}, ids: []push.ID{64}, gaps: []push.Gap{hole(16, 48, push.GapLimit)}, next: 64},
		"cut off the chain": {span: push.Span{After: 16, Newest: 1}, cut: [2]push.ID{64, 16}, rows: []push.Message{row(48, 16), row(64, 16)}, ids: []push.ID{64}, next: 64},
		"cut above":         {span: push.Span{After: 16, Newest: 1, Until: 32}, cut: [2]push.ID{64, 48}, rows: []push.Message{row(32, 16)}, gaps: []push.Gap{hole(16, 32, push.GapLimit)}, next: 32},
		"full":              {span: push.Span{After: 16, Limit: 1}, rows: []push.Message{row(32, 16), row(64, 48)}, ids: []push.ID{32}, next: 32, more: true},
		"full before swept": {span: push.Span{After: 16, Limit: 1}, marks: message.Marks{Expired: 80}, rows: []push.Message{row(32, 16), row(64, 48)}, ids: []push.ID{32}, next: 32, more: true},
		"exactly full":      {span: push.Span{After: 16, Limit: 1}, rows: []push.Message{row(32, 16), over(48, 32)}, ids: []push.ID{32}, gaps: []push.Gap{hole(32, 48, push.GapExpired)}, next: 48},
		"bytes":             {span: push.Span{After: 16, Bytes: 15}, rows: []push.Message{row(32, 16), row(48, 32)}, ids: []push.ID{32}, next: 32, more: true},
		"enough bytes":      {span: push.Span{After: 16, Bytes: 16}, rows: []push.Message{row(32, 16), row(48, 32)}, ids: []push.ID{32, 48}, next: 48},
		"few bytes":         {span: push.Span{After: 16, Bytes: 1}, rows: []push.Message{row(32, 16)}, ids: []push.ID{32}, next: 32},
		"a wrong chain":     {span: push.Span{After: 16}, rows: []push.Message{row(32, 320), row(48, 32)}, ids: []push.ID{32, 48}, gaps: []push.Gap{hole(16, 31, push.GapExpired)}, next: 48},
	} {
		t.Run(name, c.check)
	}
}

// Below the horizon a row may have gone without a trace, unless the chain says
// that there was none.
func TestAssemblerHorizon(t *testing.T) {
	for name, c := range map[string]assembly{
		"long away":            {span: push.Span{After: 16}, marks: message.Marks{Horizon: 48}, gaps: []push.Gap{hole(16, 48, push.GapExpired)}, next: 48},
		"at the horizon":       {span: push.Span{After: 48}, marks: message.Marks{Horizon: 48}, next: 48},
		"a chain from there":   {span: push.Span{After: 16}, marks: message.Marks{Horizon: 48}, rows: []push.Message{row(64, 16)}, ids: []push.ID{64}, next: 64},
		"no chain from there":  {span: push.Span{After: 16}, marks: message.Marks{Horizon: 48}, rows: []push.Message{row(64, 0)}, ids: []push.ID{64}, gaps: []push.Gap{hole(16, 48, push.GapExpired)}, next: 64},
		"a hole and more":      {span: push.Span{After: 16}, marks: message.Marks{Horizon: 48}, rows: []push.Message{row(80, 64)}, ids: []push.ID{80}, gaps: []push.Gap{hole(16, 64, push.GapExpired)}, next: 80},
		"a row below it":       {span: push.Span{After: 16}, marks: message.Marks{Horizon: 64}, rows: []push.Message{row(48, 0)}, ids: []push.ID{48}, gaps: []push.Gap{hole(16, 47, push.GapExpired), hole(48, 64, push.GapExpired)}, next: 64},
		"a chain below it":     {span: push.Span{After: 16}, marks: message.Marks{Horizon: 80}, rows: []push.Message{row(32, 16), row(64, 48), row(96, 64)}, ids: []push.ID{32, 64, 96}, gaps: []push.Gap{hole(32, 63, push.GapExpired)}, next: 96},
		"full below it":        {span: push.Span{After: 16, Limit: 1}, marks: message.Marks{Horizon: 80}, rows: []push.Message{row(32, 16), row(64, 48)}, ids: []push.ID{32}, next: 32, more: true},
		"until below it":       {span: push.Span{After: 16, Until: 32}, marks: message.Marks{Horizon: 48}, gaps: []push.Gap{hole(16, 32, push.GapExpired)}, next: 32},
		"deleted, then beyond": {span: push.Span{After: 16}, marks: message.Marks{Deleted: 32, Horizon: 48}, gaps: []push.Gap{hole(16, 32, push.GapDeleted), hole(32, 48, push.GapExpired)}, next: 48},
		"deleted beyond it":    {span: push.Span{After: 16}, marks: message.Marks{Deleted: 64, Horizon: 48}, gaps: []push.Gap{hole(16, 64, push.GapDeleted)}, next: 64},
		"beginning below it":   {span: push.Span{}, marks: message.Marks{Horizon: 48}, rows: []push.Message{row(32, 0)}, ids: []push.ID{32}, next: 32},
		"nothing to begin":     {span: push.Span{}, marks: message.Marks{Horizon: 48}, next: 0},
	} {
		t.Run(name, c.check)
	}
}

// Done spares a store the look at rows that cannot be there.
func TestAssemblerDone(t *testing.T) {
	for name, c := range map[string]struct {
		span  push.Span
		marks message.Marks
		want  bool
	}{
		"open":          {span: push.Span{After: 16}},
		"bounded":       {span: push.Span{After: 16, Until: 17}},
		"empty":         {span: push.Span{After: 16, Until: 16}, want: true},
		"inverted":      {span: push.Span{After: 32, Until: 16}, want: true},
		"deleted":       {span: push.Span{After: 16, Until: 32}, marks: message.Marks{Deleted: 32}, want: true},
		"deleted below": {span: push.Span{After: 16, Until: 48}, marks: message.Marks{Deleted: 32}},
	} {
		if got := message.NewAssembler(c.span, c.marks, now).Done(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
