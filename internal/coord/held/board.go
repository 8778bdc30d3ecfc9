package held

import (
	"sync/atomic"

	"gopush/internal/coord"
)

// Board implements coord.Directory. The zero value is not ready: NewBoard.
type Board struct {
	picture atomic.Pointer[picture]
	seen    atomic.Pointer[picture] // the newest that View has returned
}

var _ coord.Directory = (*Board)(nil)

// picture is a view and the sign that a newer one is there.
type picture struct {
	view     *coord.View
	replaced chan struct{} // closed after the newer one has been stored
}

// NewBoard shows an empty cluster.
func NewBoard() *Board {
	b := &Board{}
	b.picture.Store(&picture{view: &coord.View{}, replaced: make(chan struct{})})
	return b
}

// View returns the newest picture.
func (b *Board) View() *coord.View {
	p := b.picture.Load()
	if b.seen.Load() != p {
		b.seen.Store(p)
	}
	return p.view
}

// Changed returns a channel that is closed when a picture newer than the last
// one that View returned is there. With several callers of View, only this
// order misses nothing: Changed, then View, then wait.
func (b *Board) Changed() <-chan struct{} {
	if p := b.seen.Load(); p != nil {
		return p.replaced
	}
	return b.picture.Load().replaced
}

// Show replaces the picture. One caller at a time.
func (b *Board) Show(v *coord.View) {
	old := b.picture.Load()
	b.picture.Store(&picture{view: v, replaced: make(chan struct{})})
	close(old.replaced)
}
