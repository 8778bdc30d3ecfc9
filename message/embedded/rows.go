package embedded

import (
	"github.com/cockroachdb/pebble/v2"

	"gopush/internal/push"
	"gopush/message"
)

// rows walks over the messages of one key, each with its marker.
type rows struct {
	it      *pebble.Iterator
	prefix  int // bytes of a row before the id
	started bool
	valid   bool  // the iterator stands on what descend reads next
	err     error // a row that could not be read

	id   push.ID
	mark byte         // 0: none
	head push.Message // after descend: the message without its body
}

// rows walks over after < id <= until (0: no upper bound). close must follow.
func (s *Store) rows(key push.Key, after, until push.ID) (*rows, error) {
	from, to := rowRange(key, after, until)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return nil, broken(err)
	}
	return &rows{it: it, prefix: rowHead(key)}, nil
}

// close ends the walk; err, if it is not nil, is what matters most.
func (r *rows) close(err error) error {
	closeErr := r.it.Close()
	switch {
	case err != nil:
		return err
	case r.err != nil:
		return broken(r.err)
	case closeErr != nil:
		return broken(closeErr)
	}
	return nil
}

// ascend moves to the next higher message; its marker comes before it.
func (r *rows) ascend() bool {
	var marked push.ID
	r.mark = 0
	for r.back() {
		id, marker, err := parseRowTail(r.it.Key(), r.prefix)
		if err == nil && marker {
			marked = id
			r.mark, err = parseMarker(r.it.Value())
		}
		if r.err = err; err != nil {
			return false
		}
		if marker {
			continue
		}
		if r.id = id; id != marked {
			r.mark = 0
		}
		return true
	}
	return false
}

// back moves one row upwards in ids, which is backwards.
func (r *rows) back() bool {
	if !r.started {
		r.started = true
		return r.it.Last()
	}
	return r.it.Prev()
}

// message reads the message that ascend found.
func (r *rows) message() (push.Message, error) {
	if r.mark != markRecalled {
		return message.ParseEnvelope(r.it.Value(), r.id)
	}
	m, err := message.ParseEnvelopeHead(r.it.Value(), r.id)
	m.Recalled = true
	return m, err
}

// descend moves to the next lower message and reads its head; its marker comes
// behind it. A marker whose message never came is passed over.
func (r *rows) descend() bool {
	if !r.started {
		r.started, r.valid = true, r.it.First()
	}
	for ; r.valid; r.valid = r.it.Next() {
		id, marker, err := parseRowTail(r.it.Key(), r.prefix)
		if err == nil && !marker {
			r.head, err = message.ParseEnvelopeHead(r.it.Value(), id)
		}
		if r.err = err; err != nil {
			return false
		}
		if !marker {
			return r.lookBehind(id)
		}
	}
	return false
}

// lookBehind reads the marker of the message that the iterator stands on.
func (r *rows) lookBehind(of push.ID) bool {
	r.mark = 0
	if r.valid = r.it.Next(); !r.valid {
		return true
	}
	id, marker, err := parseRowTail(r.it.Key(), r.prefix)
	if err == nil && marker && id == of {
		r.mark, err = parseMarker(r.it.Value())
	}
	r.err = err
	return err == nil
}
