package message_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gopush/internal/push"
	"gopush/message"
)

// The row key's bytes are a contract with what is stored.
func TestRowKeyVectors(t *testing.T) {
	for _, c := range []struct {
		key push.Key
		id  push.ID
		hex string
	}{
		{"a", 0, "61007fffffffffffffff"},
		{"a", 16, "61007fffffffffffffef"},
		{"ab", 17953751000602032, "6162007fc0372899392a4f"},
		{push.PublicKey, push.MaxID, "017075626c6963000000000000000000"},
	} {
		row := message.AppendRowKey(nil, c.key, c.id)
		if got := hex.EncodeToString(row); got != c.hex {
			t.Errorf("row key of %q, %d is %s, want %s", c.key, c.id, got, c.hex)
		}
		key, id, err := message.ParseRowKey(row)
		if key != c.key || id != c.id || err != nil {
			t.Errorf("%s was read as %q, %d, %v", c.hex, key, id, err)
		}
	}
}

// Rows of one key lie together, newest first; a range holds what it says.
func TestRowKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-c]{1,3}`)
		id := rapid.Int64Range(1, int64(push.MaxID))
		k1, k2 := push.Key(key.Draw(t, "k1")), push.Key(key.Draw(t, "k2"))
		a, b := push.ID(id.Draw(t, "a")), push.ID(id.Draw(t, "b"))
		r1, r2 := message.AppendRowKey(nil, k1, a), message.AppendRowKey(nil, k2, b)
		if k1 == k2 && a != b && (bytes.Compare(r1, r2) < 0) != (a > b) {
			t.Fatalf("ids %d and %d are in the wrong order", a, b)
		}
		after, until := min(a, b), max(a, b)
		from, to := message.RowRange(k1, after, until)
		probe := push.ID(id.Draw(t, "probe"))
		row := message.AppendRowKey(nil, k2, probe)
		inside := bytes.Compare(from, row) <= 0 && bytes.Compare(row, to) < 0
		if want := k1 == k2 && after < probe && probe <= until; inside != want {
			t.Fatalf("%q %d in (%d, %d] of %q: %v", k2, probe, after, until, k1, inside)
		}
	})
}

func FuzzParseRowKey(f *testing.F) {
	f.Add(message.AppendRowKey(nil, "a", 16))
	f.Add([]byte{})
	f.Add([]byte("a\x00\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, row []byte) {
		key, id, err := message.ParseRowKey(row)
		if err == nil && !bytes.Equal(message.AppendRowKey(nil, key, id), row) {
			t.Fatalf("%x was read as %q, %d", row, key, id)
		}
	})
}

func TestEnvelopeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := push.Message{
			ID:             push.ID(rapid.Int64Range(1, int64(push.MaxID)).Draw(t, "id")),
			Prev:           push.ID(rapid.Int64Range(0, int64(push.MaxID)).Draw(t, "prev")),
			ExpiresAt:      rapid.Int64Min(0).Draw(t, "expires"),
			Body:           rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
			IdempotencyKey: rapid.StringN(0, 32, message.MaxIdempotencyKey).Draw(t, "idem"),
		}
		got, err := message.ParseEnvelope(message.AppendEnvelope(nil, &m), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got); diff != "" && len(m.Body)+len(got.Body) > 0 {
			t.Fatal(diff)
		}
	})
}

// What is cut short or of another version is refused; flags of a later version are
// not.
func TestEnvelopeDamage(t *testing.T) {
	m := push.Message{ID: 16, Prev: 0, ExpiresAt: 1, Body: []byte(`{}`), IdempotencyKey: "key"}
	whole := message.AppendEnvelope(nil, &m)
	for n := range len(whole) - len(m.Body) {
		if _, err := message.ParseEnvelope(whole[:n], 16); err == nil {
			t.Errorf("%d of %d bytes were accepted", n, len(whole))
		}
	}
	other := bytes.Clone(whole)
	other[0] = 2
	if _, err := message.ParseEnvelope(other, 16); err == nil {
		t.Error("version 2 was accepted")
	}
	flagged := bytes.Clone(whole)
	flagged[1] |= 0x80
	if got, err := message.ParseEnvelope(flagged, 16); err != nil || string(got.Body) != `{}` {
		t.Errorf("an unknown flag: %+v, %v", got, err)
	}
}

// Extensions of a later version are passed over: the body is what comes behind them. Those
// that are cut short are refused, as what is left of them would be taken for a body.
// Broken once by not looking at the flag, and by not checking the length.
func TestEnvelopeExtensions(t *testing.T) {
	m := push.Message{ID: 16, ExpiresAt: 1, Body: []byte(`{"a":1}`), IdempotencyKey: "key"}
	plain := message.AppendEnvelope(nil, &m)
	head := plain[:len(plain)-len(m.Body)]
	for _, ext := range []string{"", "\x01\x00\x02ab", "\xff\x00\x00\x02\x00\x01c"} {
		b := append(bytes.Clone(head), byte(len(ext)>>8), byte(len(ext)))
		b = append(append(b, ext...), m.Body...)
		b[1] |= 1
		got, err := message.ParseEnvelope(b, 16)
		if diff := cmp.Diff(m, got); err != nil || diff != "" {
			t.Errorf("extensions %q: %v %s", ext, err, diff)
		}
		for n := len(head); n < len(head)+2+len(ext); n++ {
			if _, err := message.ParseEnvelopeHead(b[:n], 16); err == nil {
				t.Errorf("extensions %q: %d of %d bytes were accepted", ext, n, len(b))
			}
		}
	}
}

func FuzzParseEnvelope(f *testing.F) {
	f.Add([]byte("\x01\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01i\x00\x03\x01\x00\x001"))
	f.Add(message.AppendEnvelope(nil, &push.Message{ExpiresAt: 1, Body: []byte(`1`), IdempotencyKey: "i"}))
	f.Add([]byte{1, 0})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := message.ParseEnvelope(b, 16)
		if err != nil {
			return
		}
		again, err := message.ParseEnvelope(message.AppendEnvelope(nil, &m), 16)
		if err != nil || string(again.Body) != string(m.Body) || again.Prev != m.Prev || again.IdempotencyKey != m.IdempotencyKey {
			t.Fatalf("%x became %+v, then %+v, %v", b, m, again, err)
		}
	})
}
