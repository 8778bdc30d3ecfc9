package wire

import (
	"strings"
	"testing"

	"gopush/internal/push"
)

func TestSSETranscript(t *testing.T) {
	var tr transcript
	tr.title("events")
	line := func(b []byte) { tr.line("%q", b) }
	line(AppendEvent(nil, TypeReady, id1, 0, true, AppendReady(nil, ready)))
	for _, body := range bodies {
		m := &push.Message{ID: id2, Prev: id1, ExpiresAt: 1795375100060, Body: []byte(body)}
		line(AppendEvent(nil, TypeMessage, id2, id1, true, AppendMessage(nil, m, false)))
	}
	line(AppendEvent(nil, TypeRecall, id2, id1, false, AppendRecall(nil, id1, false)))
	line(AppendEvent(nil, TypeLive, 0, 0, false, AppendLive(nil)))
	tr.title("heartbeat")
	line([]byte(EventHeartbeat))
	tr.compare(t, "sse.txt")
}

// readEvent takes one event apart as the specification of event streams does.
func readEvent(t *testing.T, raw string) map[string]string {
	t.Helper()
	body, ok := strings.CutSuffix(raw, "\n\n")
	if !ok || strings.Contains(body, "\n\n") || strings.Contains(body, "\r") {
		t.Fatalf("%q is not one event", raw)
	}
	fields := make(map[string]string)
	for l := range strings.SplitSeq(body, "\n") {
		name, value, _ := strings.Cut(l, ":")
		if _, twice := fields[name]; twice {
			t.Fatalf("%q has %s twice", raw, name)
		}
		fields[name] = strings.TrimPrefix(value, " ")
	}
	return fields
}

var lastEventIDs = map[string]struct {
	id, pid push.ID
	ok      bool
}{
	"0/0":                  {0, 0, true},
	"17953751000602032/16": {17953751000602032, 16, true},
	"9223372036854775807/9223372036854775807": {push.MaxID, push.MaxID, true},
	"":                      {},
	"/":                     {},
	"16":                    {},
	"16/":                   {},
	"/16":                   {},
	"16/32/48":              {},
	"-1/0":                  {},
	" 16/0":                 {},
	"16/0 ":                 {},
	"9223372036854775808/0": {},
	"0/9223372036854775808": {},
}

func TestParseLastEventID(t *testing.T) {
	for s, want := range lastEventIDs {
		id, pid, err := ParseLastEventID(s)
		if id != want.id || pid != want.pid || want.ok != (err == nil) {
			t.Errorf("%q gave %d, %d, %v", s, id, pid, err)
		}
		if err != nil && !push.Is(err, push.KindBadRequest) {
			t.Errorf("%q: an error of kind %s", s, push.KindOf(err))
		}
	}
}

func FuzzParseLastEventID(f *testing.F) {
	for s := range lastEventIDs {
		f.Add(s, []byte(`"x"`))
	}
	f.Fuzz(func(t *testing.T, s string, body []byte) {
		id, pid, err := ParseLastEventID(s)
		if err != nil {
			return
		}
		data := AppendMessage(nil, &push.Message{ID: id, Body: body}, false)
		fields := readEvent(t, string(AppendEvent(nil, TypeMessage, id, pid, true, data)))
		if fields["event"] != TypeMessage || fields["data"] != string(data) {
			t.Fatalf("the event came back as %q", fields)
		}
		id2, pid2, err := ParseLastEventID(fields["id"])
		if err != nil || id2 != id || pid2 != pid {
			t.Fatalf("%d, %d came back as %d, %d, %v", id, pid, id2, pid2, err)
		}
	})
}
