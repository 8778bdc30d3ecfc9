package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// packet frames arguments as a v1 client does.
func packet(args ...string) string {
	var b []byte
	b = append(b, '*')
	b = strconv.AppendInt(b, int64(len(args)), 10)
	b = append(b, '\r', '\n')
	for _, a := range args {
		b = AppendBulk(b, []byte(a))
	}
	return string(b)
}

var packets = []struct {
	title  string
	inputs []string
}{
	{"subscriptions", []string{
		packet("sub", "Terry-Mao", "30"),
		packet("sub", "Terry-Mao", "60", "token"),
		packet("sub", "Terry-Mao", "60", "", "1.0"),
		packet("sub", "Terry-Mao", "60", "token", "1.0"),
		packet("sub", "Terry-Mao", "60", "token", ""),
		packet("sub", "中文 key", "86400"),
		packet("sub", "k", "+30"),
		"*03\r\n$003\r\nsub\r\n$1\r\nk\r\n$02\r\n30\r\n",
	}},
	{"what follows stays", []string{
		packet("sub", "k", "30") + "h",
		packet("sub", "k", "30") + "hh*1\r\n",
		packet("sub", "k", "30") + "\r\n",
	}},
	{"wrong content", []string{
		packet("sub"),
		packet("sub", "k"),
		packet("SUB", "k", "30"),
		packet("unsub", "k", "30"),
		packet("", "k", "30"),
		packet("sub", "", "30"),
		packet("sub", "a\x00b", "30"),
		packet("sub", "a\xff", "30"),
		packet("sub", "k", "29"),
		packet("sub", "k", "86401"),
		packet("sub", "k", "-60"),
		packet("sub", "k", "x"),
		packet("sub", "k", ""),
		packet("sub", "k", "99999999999999999999"),
		packet("sub", "k", "9223372036854775807"),
		packet("sub", "k", "000000000000000000000030") + "h",
	}},
	{"no framing", []string{
		"*0\r\n",
		"*6\r\n",
		"*-1\r\n",
		"*\r\n",
		"*+3\r\n",
		"* 3\r\n",
		"*3\n$3\nsub\n",
		"*3\r$3\r\n",
		"*99999999999999999999\r\n",
		"*3333333333333333333333333333333333",
		"$3\r\nsub\r\n",
		"sub k 30\r\n",
		"GET / HTTP/1.1\r\n",
		"\x16\x03\x01\x02\x00",
		"*3\r\n*3\r\n",
		"*3\r\n$3\r\nsubs\r\n",
		"*3\r\n$3\r\nsub\n$1\r\nk\r\n",
		"*3\r\n$3\r\nsub\rx",
		"*3\r\n$4\r\nsub\r\n$1\r\n",
		"*3\r\n$-1\r\n",
		"*5\r\n$999999999999\r\n",
		"*5\r\n$9999999999\r\n",
		"*5\r\n$4097\r\n",
	}},
	{"ends in the middle", []string{
		"",
		"*",
		"*3",
		"*3\r",
		"*3\r\n",
		"*3\r\n$3\r\nsu",
		"*3\r\n$3\r\nsub\r",
		"*2\r\n$3\r\nsub\r\n$4096\r\nk",
	}},
}

func TestReadSubscribeTranscript(t *testing.T) {
	var tr transcript
	for _, group := range packets {
		tr.title("%s", group.title)
		for _, in := range group.inputs {
			r := bufio.NewReader(strings.NewReader(in))
			tr.line("%q", in)
			tr.line("\t%s", outcome(t, r))
		}
	}
	tr.compare(t, "v1_subscribe.txt")
}

// outcome says what a server does after ReadSubscribe.
func outcome(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	sub, err := ReadSubscribe(r)
	if err != nil && sub != (Subscribe{}) {
		t.Errorf("%+v comes with the error %v", sub, err)
	}
	var words string
	switch {
	case errors.Is(err, ErrParameter):
		words = strconv.Quote(ReplyParam)
	case errors.Is(err, ErrMalformed):
		return "closed: malformed"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "closed: ended early"
	case err != nil:
		t.Fatalf("unexpected error %v", err)
	default:
		words = "key=" + strconv.Quote(string(sub.Key)) + " heartbeat=" + sub.Heartbeat.String() +
			" token=" + strconv.Quote(sub.Token) + " versioned=" + strconv.FormatBool(sub.Versioned)
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return words + " rest=" + strconv.Quote(string(rest))
}

// Arguments at and beyond their limits: the packet is still read to its end, so
// that the answer is not lost in a reset of the connection.
func TestReadSubscribeLimits(t *testing.T) {
	long := strings.Repeat("x", 4096)
	for _, c := range []struct {
		name  string
		args  []string
		valid bool
	}{
		{"key of 255", []string{"sub", long[:255], "30"}, true},
		{"key of 256", []string{"sub", long[:256], "30"}, false},
		{"key of 4096", []string{"sub", long, "30"}, false},
		{"token of 4096", []string{"sub", "k", "30", long}, true},
		{"version of 255", []string{"sub", "k", "30", "", long[:255]}, true},
		{"version of 256", []string{"sub", "k", "30", "", long[:256]}, false},
		{"command of 4096", []string{long, "k", "30"}, false},
		{"heartbeat of 4096", []string{"sub", "k", long}, false},
		{"all too long", []string{long, long, long, long, long}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := bufio.NewReaderSize(strings.NewReader(packet(c.args...)+"h"), 16)
			sub, err := ReadSubscribe(r)
			if c.valid != (err == nil) || !c.valid && !errors.Is(err, ErrParameter) {
				t.Fatalf("got %+v, %v", sub, err)
			}
			if rest, _ := io.ReadAll(r); string(rest) != "h" {
				t.Errorf("%d bytes are left, want the h", len(rest))
			}
		})
	}
}

// A length is believed only within its bound: whatever a client announces,
// little is allocated before the bytes are there.
func TestReadSubscribeBoundsAllocation(t *testing.T) {
	for _, in := range []string{
		"*5\r\n$999999999999\r\n", "*5\r\n$9999999999\r\n", "*999999999\r\n",
		"*5\r\n$4096\r\n", "*5\r\n$3\r\nsub\r\n$4096\r\n",
		"*" + strings.Repeat("9", 1<<20), "*5\r\n$3\r\nsub\r\n$" + strings.Repeat("0", 1<<20),
	} {
		const rounds, most = 1000, 1024
		readers := make([]*bufio.Reader, rounds)
		for i := range readers {
			readers[i] = bufio.NewReaderSize(strings.NewReader(in), 16)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, r := range readers {
			if _, err := ReadSubscribe(r); err == nil {
				t.Fatalf("%.30q is no subscription", in)
			}
		}
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) / rounds; got > most {
			t.Errorf("%.30q: %d bytes allocated, at most %d allowed", in, got, most)
		}
	}
}

// Nonsense is refused at its first wrong byte, without waiting for more.
func TestReadSubscribeDoesNotWait(t *testing.T) {
	for _, in := range []string{"G", "*x", "*3\r\n*", "*3\r\n$3\r\nsubx", "*5\r\n$4097\r\n"} {
		server, client := net.Pipe()
		go func() { _, _ = io.WriteString(client, in) }()
		_ = server.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := ReadSubscribe(bufio.NewReader(server)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, want ErrMalformed", in, err)
		}
		_ = server.Close()
		_ = client.Close()
	}
}

func TestReadSubscribeKeepsReadErrors(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("*3\r\n$3\r"), iotest.ErrReader(os.ErrDeadlineExceeded))
	if _, err := ReadSubscribe(bufio.NewReader(broken)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the reader's own error", err)
	}
}

func FuzzReadSubscribe(f *testing.F) {
	for _, group := range packets {
		for _, in := range group.inputs {
			f.Add([]byte(in))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole := outcome(t, bufio.NewReader(bytes.NewReader(in)))
		single := outcome(t, bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(in)), 16))
		if whole != single {
			t.Fatalf("in one piece: %s\nbyte by byte: %s", whole, single)
		}
		sub, err := ReadSubscribe(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			return
		}
		version := ""
		if sub.Versioned {
			version = "1"
		}
		again := packet("sub", string(sub.Key), strconv.Itoa(int(sub.Heartbeat/time.Second)), sub.Token, version)
		got, err := ReadSubscribe(bufio.NewReader(strings.NewReader(again)))
		if err != nil || got != sub {
			t.Fatalf("%+v came back as %+v, %v", sub, got, err)
		}
	})
}
