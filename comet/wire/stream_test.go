package wire

import (
	"net/url"
	"strings"
	"testing"

	"gopush/internal/push"
)

func TestParseStreamQuery(t *testing.T) {
	for raw, want := range map[string]Stream{
		"key=k":                                  {Key: "k", Public: true},
		"key=%E4%B8%AD%E6%96%87":                 {Key: "中文", Public: true},
		"key=k&after=0":                          {Key: "k", HasAfter: true, Public: true},
		"key=k&after=32&public_after=16":         {Key: "k", After: 32, HasAfter: true, PublicAfter: 16, HasPublicAfter: true, Public: true},
		"key=k&public_after=9223372036854775807": {Key: "k", PublicAfter: push.MaxID, HasPublicAfter: true, Public: true},
		"key=k&public=0":                         {Key: "k"},
		"key=k&public=1":                         {Key: "k", Public: true},
		"key=k&public=0&public_after=16":         {Key: "k", PublicAfter: 16, HasPublicAfter: true},
		"key=k&other=1&other=2":                  {Key: "k", Public: true},
	} {
		if got, err := ParseStreamQuery(raw); err != nil || got != want {
			t.Errorf("%s gave %+v, %v; want %+v", raw, got, err, want)
		}
	}
}

var badStreams = map[string]push.Kind{
	"":                                push.KindBadKey,
	"after=0":                         push.KindBadKey,
	"key=":                            push.KindBadKey,
	"key=%01public":                   push.KindBadKey,
	"key=a%0Ab":                       push.KindBadKey,
	"key=%FF":                         push.KindBadKey,
	"key=k&after=":                    push.KindBadRequest,
	"key=k&after=-1":                  push.KindBadRequest,
	"key=k&after=%2B1":                push.KindBadRequest,
	"key=k&after=1.5":                 push.KindBadRequest,
	"key=k&after=now":                 push.KindBadRequest,
	"key=k&after=9223372036854775808": push.KindBadRequest,
	"key=k&after=1&public_after=":     push.KindBadRequest,
	"key=k&public_after=x":            push.KindBadRequest,
	"key=k&public=":                   push.KindBadRequest,
	"key=k&public=true":               push.KindBadRequest,
	"key=k&public=2":                  push.KindBadRequest,
	"key=k&key=l":                     push.KindBadRequest,
	"key=k&after=1&after=2":           push.KindBadRequest,
	"key=k&after=%":                   push.KindBadRequest,
	"key=k&after=1;x":                 push.KindBadRequest,
}

func TestParseStreamQueryRefuses(t *testing.T) {
	for raw, kind := range badStreams {
		got, err := ParseStreamQuery(raw)
		if !push.Is(err, kind) || got != (Stream{}) {
			t.Errorf("%s gave %+v, %v; want an error of kind %s", raw, got, err, kind)
		}
	}
}

// Nobody gets a megabyte of his own back in an error.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("9", 1<<20)
	for _, q := range []url.Values{
		query("key", long), query("key", "k", "after", long), query("key", "k", "public_after", long), query("key", "k", "public", long),
	} {
		if _, err := ParseStreamQuery(q.Encode()); err == nil || len(err.Error()) > 300 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
	if _, _, err := ParseLastEventID(long + "/" + long); err == nil || len(err.Error()) > 300 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

func FuzzParseStreamQuery(f *testing.F) {
	for raw := range badStreams {
		f.Add(raw)
	}
	f.Add("key=k&after=32&public_after=16&public=0")
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := ParseStreamQuery(raw)
		if err != nil {
			if kind := push.KindOf(err); kind != push.KindBadKey && kind != push.KindBadRequest {
				t.Fatalf("%q: an error of kind %s", raw, kind)
			}
			return
		}
		again := query("key", string(got.Key), "public", "1")
		if !got.Public {
			again.Set("public", "0")
		}
		if got.HasAfter {
			again.Set("after", got.After.String())
		}
		if got.HasPublicAfter {
			again.Set("public_after", got.PublicAfter.String())
		}
		if back, err := ParseStreamQuery(again.Encode()); err != nil || back != got {
			t.Fatalf("%+v came back as %+v, %v", got, back, err)
		}
	})
}

func TestParseSubprotocols(t *testing.T) {
	for _, c := range []struct {
		offered []string
		v2      bool
		token   string
	}{
		{nil, false, ""},
		{[]string{"gopush.v2"}, true, ""},
		{[]string{"gopush.v2", "gopush.token.abc.d"}, true, "abc.d"},
		{[]string{"gopush.token.abc", "x", "gopush.v2"}, true, "abc"},
		{[]string{"gopush.token.abc", "gopush.token.def"}, false, "abc"},
		{[]string{"gopush.token."}, false, ""},
		{[]string{"gopush.token", "GOPUSH.V2", "gopush.v22"}, false, ""},
	} {
		if v2, token := ParseSubprotocols(c.offered); v2 != c.v2 || token != c.token {
			t.Errorf("%q gave %v, %q; want %v, %q", c.offered, v2, token, c.v2, c.token)
		}
	}
}
