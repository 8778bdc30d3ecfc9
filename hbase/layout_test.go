package hbase

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"
	"time"

	"github.com/tsuna/gohbase/pb"
	"pgregory.net/rapid"

	"gopush/internal/push"
	"gopush/message"
)

// The bytes of the table are a contract with what is stored.
func TestLayoutVectors(t *testing.T) {
	c := claim{id: 16, row: 48, expires: 1000, sum: message.BodySum([]byte(`{}`))}
	for what, x := range map[string]struct{ got, want string }{
		"message row":    {string(messageRow("a", 17953751000602032)), "61007fc0372899392a4f"},
		"head row":       {string(headRow("a")), "61000000000000000000"},
		"claim row":      {string(claimRow("a", "idem")), "6100ff6964656d"},
		"message cell":   {messageQualifier(16), "0000000000000010"},
		"recall marker":  {markQualifier(16, markRecalled), "000000000000001001"},
		"discard marker": {markQualifier(16, markDiscarded), "000000000000001002"},
		"watermark":      {qualifierDeleted, "64"},
		"claim":          {string(c.value()), "01000000000000003000000000000003e844136fa355b3678a1146ad16f7e8649e"},
	} {
		if got := hex.EncodeToString([]byte(x.got)); got != x.want {
			t.Errorf("%s is %s, want %s", what, got, x.want)
		}
	}
}

// Head, messages and claims of a key lie in this order, and no key's rows among
// another's.
func TestLayoutOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-cé中]{1,3}`)
		id := rapid.Int64Range(1, int64(push.MaxID)-1)
		k, other := push.Key(key.Draw(t, "key")), push.Key(key.Draw(t, "other"))
		idem := rapid.StringN(1, 8, 128).Draw(t, "idem")
		row, from, to := messageRow(k, push.ID(id.Draw(t, "id"))), headRow(k), messageRow(k, 0)
		if bytes.Compare(from, row) >= 0 || bytes.Compare(row, to) >= 0 || bytes.Compare(to, claimRow(k, idem)) >= 0 {
			t.Fatal("rows of a key are out of order")
		}
		if other == k {
			return
		}
		for _, r := range [][]byte{headRow(other), messageRow(other, push.ID(id.Draw(t, "id2"))), claimRow(other, idem)} {
			if bytes.Compare(from, r) <= 0 && bytes.Compare(r, claimRow(k, "")) <= 0 {
				t.Fatalf("a row of %q lies among those of %q", other, k)
			}
		}
	})
}

// A repeated write has the timestamp and the life of the first one.
func TestLives(t *testing.T) {
	const day = 24 * time.Hour
	l := lives{keep: 8 * day}
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	id := push.IDAt(at)
	if got := stamp(id); got != uint64(at.UnixMilli()) {
		t.Errorf("the timestamp is %d, want %d", got, at.UnixMilli())
	}
	for life, want := range map[time.Duration]time.Duration{
		time.Second: 10 * day, 8 * day: 10 * day, 20 * day: 22 * day, -day: 10 * day, math.MaxInt64: longestLife + 2*day,
	} {
		expires := at.UnixMilli() + life.Milliseconds()
		if life == math.MaxInt64 {
			expires = math.MaxInt64
		}
		if got := l.place(id, expires); got != want {
			t.Errorf("a message that lives for %s is kept for %s, want %s", life, got, want)
		}
	}
	if got := l.until(id, at.Add(day).UnixMilli()); got != 3*day {
		t.Errorf("a claim of a day is kept for %s", got)
	}
}

// Above the horizon nothing has gone, even on a server whose clock is a day
// ahead; and it does not move with every read.
func TestHorizon(t *testing.T) {
	const day = 24 * time.Hour
	rapid.Check(t, func(t *rapid.T) {
		l := lives{keep: time.Duration(rapid.IntRange(8, 100).Draw(t, "days")) * day}
		now := time.Unix(1_800_000_000+rapid.Int64Range(0, 1e8).Draw(t, "now"), 0)
		h := l.horizon(now)
		if h > push.IDAt(now.Add(-l.keep)) {
			t.Fatal("what is kept lies below the horizon")
		}
		gone := now.Add(day - l.place(0, 0)) // what was written then goes now
		if h < push.IDAt(gone) {
			t.Fatalf("what was written at %s is gone, the horizon is at %s", gone, h.Time())
		}
	})
	l := lives{keep: 30 * day}
	moves := 0
	for now, last := time.Unix(1_800_000_000, 0), push.ID(0); now.Unix() < 1_800_000_000+30*86400; now = now.Add(time.Hour) {
		if h := l.horizon(now); h != last {
			moves, last = moves+1, h
		}
	}
	if moves > 10 {
		t.Errorf("the horizon moves %d times in 30 days", moves)
	}
	if h := l.horizon(time.Unix(86400, 0)); h != 0 {
		t.Errorf("a horizon before time began: %d", h)
	}
}

func TestWatermarkStamp(t *testing.T) {
	for id, want := range map[push.ID]uint64{-1: 0, 16: 16, push.MaxID: math.MaxInt64 - 1, push.MaxID - 1: math.MaxInt64 - 1} {
		if got := watermarkStamp(id); got != want {
			t.Errorf("the watermark %d has the timestamp %d", id, got)
		}
	}
}

func FuzzParseClaim(f *testing.F) {
	c := claim{id: 16, row: 48, expires: 1000}
	f.Add([]byte(messageQualifier(16)), c.value())
	f.Add([]byte{}, []byte{})
	f.Add([]byte(messageQualifier(0)), c.value())
	f.Add([]byte(messageQualifier(64)), c.value())
	f.Add([]byte(messageQualifier(16)), bytes.Repeat([]byte{0xff}, claimBytes))
	f.Fuzz(func(t *testing.T, qualifier, value []byte) {
		c, err := parseClaim(qualifier, value)
		if err == nil && (messageQualifier(c.id) != string(qualifier) || !bytes.Equal(c.value(), value)) {
			t.Fatalf("%x, %x was read as %+v", qualifier, value, c)
		}
	})
}

func FuzzParseCell(f *testing.F) {
	const key = "key"
	for _, q := range []string{messageQualifier(16), markQualifier(16, markRecalled), markQualifier(16, 9), qualifierDeleted, "", "schema"} {
		f.Add(messageRow(key, 48), []byte(q), []byte("value"), uint64(1))
		f.Add(headRow(key), []byte(q), []byte{}, uint64(math.MaxUint64))
	}
	f.Add(claimRow(key, "i"), []byte(messageQualifier(16)), []byte{}, uint64(0))
	f.Add([]byte("key\x00\xff\xff\xff\xff\xff\xff\xff\xff"), []byte{}, []byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, row, qualifier, value []byte, stamp uint64) {
		c, err := parseCell(&pb.Cell{Row: row, Qualifier: qualifier, Value: value, Timestamp: new(stamp)}, len(key)+1)
		if err != nil || c.id == 0 {
			return
		}
		var want string
		switch c.kind {
		case cellDeleted:
			want = qualifierDeleted
		case cellMessage:
			want = messageQualifier(c.id)
		default:
			want = markQualifier(c.id, c.kind)
		}
		if want != string(qualifier) || c.id < 0 || len(row) < idBytes || push.MaxID-c.row != push.ID(binary.BigEndian.Uint64(row[len(row)-idBytes:])) {
			t.Fatalf("row %x, qualifier %x was read as %+v", row, qualifier, c)
		}
		// Whatever is in it, reading it as a message does not panic.
		p := page{}
		_, _ = p.read(&c)
	})
}

// below finds the last possible row of a message before any edge of a region.
func TestBelow(t *testing.T) {
	const head = 4 // "key" and its zero byte
	rapid.Check(t, func(t *rapid.T) {
		tail := rapid.SliceOfN(rapid.Byte(), 1, 12).Draw(t, "tail")
		edge := append([]byte("key\x00"), tail...)
		if bytes.Compare(edge, headRow("key")) <= 0 {
			return
		}
		row := below(edge, head)
		if len(row) != head+idBytes || bytes.Compare(row, edge) >= 0 {
			t.Fatalf("%x is not a row below %x", row, edge)
		}
		n := binary.BigEndian.Uint64(row[head:])
		if n == math.MaxUint64 {
			return
		}
		next := binary.BigEndian.AppendUint64([]byte("key\x00"), n+1)
		if bytes.Compare(next, edge) < 0 {
			t.Fatalf("%x lies between %x and %x", next, row, edge)
		}
	})
}
