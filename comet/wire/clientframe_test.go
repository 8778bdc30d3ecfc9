package wire

import (
	"errors"
	"strings"
	"testing"
)

var clientFrames = []struct {
	raw  string
	want ClientFrame // no type: refused
}{
	{`{"type":"ping"}`, ClientFrame{Type: "ping"}},
	{" {\n\"x\" : [ 1 ], \"type\" : \"ping\" } ", ClientFrame{Type: "ping"}},
	{`{"type":"token","token":"T"}`, ClientFrame{"token", "T"}},
	{`{"type":"later","token":5}`, ClientFrame{Type: "later"}},
	{`{"type":"p\u0069ng"}`, ClientFrame{Type: "ping"}},
	{`{"type":"ping","token":"not meant"}`, ClientFrame{Type: "ping"}},
	{`{"type":"ping","Type":"PING"}`, ClientFrame{Type: "ping"}},
	{`{"type":"token"}`, ClientFrame{}},
	{`{"type":"token","token":""}`, ClientFrame{}},
	{`{"type":"token","token":null}`, ClientFrame{}},
	{`{"type":"token","token":["T"]}`, ClientFrame{}},
	{`{"type":"token","token":"` + strings.Repeat("t", MaxToken+1) + `"}`, ClientFrame{}},
	{`{"TYPE":"ping"}`, ClientFrame{}},
	{`{"type":""}`, ClientFrame{}},
	{`{"type":null}`, ClientFrame{}},
	{`{"type":5}`, ClientFrame{}},
	{`{"type":{"type":"ping"}}`, ClientFrame{}},
	{`{}`, ClientFrame{}},
	{`null`, ClientFrame{}},
	{`[{"type":"ping"}]`, ClientFrame{}},
	{`"ping"`, ClientFrame{}},
	{`ping`, ClientFrame{}},
	{`h`, ClientFrame{}},
	{``, ClientFrame{}},
	{`{"type":"ping"} {}`, ClientFrame{}},
	{`{"type":"ping"`, ClientFrame{}},
	{`{"type":"ping",}`, ClientFrame{}},
	{`{"x":` + strings.Repeat("[", MaxClientFrame-5), ClientFrame{}},
	{strings.Repeat(`{"type":`, MaxClientFrame/8), ClientFrame{}},
}

func TestParseClientFrame(t *testing.T) {
	for _, c := range clientFrames {
		got, err := ParseClientFrame([]byte(c.raw))
		refused := c.want.Type == ""
		if got != c.want || refused != (err != nil) || refused && !errors.Is(err, ErrFrame) {
			t.Errorf("%.60s gave %+v, %v; want %+v", c.raw, got, err, c.want)
		}
	}
}

func TestParseClientFrameBoundsSize(t *testing.T) {
	pad := func(size int) []byte {
		return append([]byte(`{"type":"ping"}`), strings.Repeat(" ", size-15)...)
	}
	if _, err := ParseClientFrame(pad(MaxClientFrame)); err != nil {
		t.Errorf("a frame of the largest size: %v", err)
	}
	if _, err := ParseClientFrame(pad(MaxClientFrame + 1)); !errors.Is(err, ErrFrame) {
		t.Errorf("a larger one: %v, want ErrFrame", err)
	}
	deep := []byte(`{"type":"ping","x":` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + "}")
	if got, err := ParseClientFrame(deep); err != nil || got.Type != "ping" {
		t.Errorf("a deep but valid frame: %+v, %v", got, err)
	}
}

func FuzzParseClientFrame(f *testing.F) {
	for _, c := range clientFrames {
		f.Add([]byte(c.raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ParseClientFrame(raw)
		switch {
		case err != nil:
			if !errors.Is(err, ErrFrame) || got != (ClientFrame{}) {
				t.Fatalf("%q gave %+v, %v", raw, got, err)
			}
		case got.Type == TypeToken:
			again, err := ParseClientFrame(AppendToken(nil, got.Token))
			if err != nil || again != got {
				t.Fatalf("%+v came back as %+v, %v", got, again, err)
			}
		case got.Type == "" || got.Token != "":
			t.Fatalf("%q gave %+v", raw, got)
		}
	})
}
