package wire

import (
	"strconv"
	"strings"

	"gopush/internal/push"
)

// EventHeartbeat is a comment, which keeps an event stream open.
const EventHeartbeat = ":\n\n"

// AppendEvent adds one server-sent event. Its id holds both cursors, as
// ParseLastEventID reads it; it is left out unless withID. The data is a v2
// frame, which is one line.
func AppendEvent(dst []byte, name string, id, pid push.ID, withID bool, data []byte) []byte {
	dst = append(append(dst, "event: "...), name...)
	if withID {
		dst = strconv.AppendInt(append(dst, "\nid: "...), int64(id), 10)
		dst = strconv.AppendInt(append(dst, '/'), int64(pid), 10)
	}
	dst = append(append(dst, "\ndata: "...), data...)
	return append(dst, '\n', '\n')
}

// ParseLastEventID reads what a client gives back of an event's id: the cursor
// of its own stream, a slash, and the public one. Errors are of KindBadRequest.
func ParseLastEventID(s string) (id, pid push.ID, err error) {
	own, public, ok := strings.Cut(s, "/")
	if !ok {
		return 0, 0, push.E(push.KindBadRequest, "Last-Event-ID has no slash; give it back as it was sent")
	}
	if id, err = parseCursor("Last-Event-ID", own); err != nil {
		return 0, 0, err
	}
	if pid, err = parseCursor("Last-Event-ID", public); err != nil {
		return 0, 0, err
	}
	return id, pid, nil
}
