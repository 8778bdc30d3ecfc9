package comet

import "gopush/comet/wire"

// nextEvent is a frame of protocol v2 that clients of today do not know.
func nextEvent(f form) *event {
	json := []byte(`{"type":"next","of":"the next version"}`)
	if f == formSSE {
		return &event{kind: evRaw, raw: wire.AppendEvent(nil, "next", 0, 0, false, json)}
	}
	return &event{kind: evRaw, raw: textFrame(json)}
}
