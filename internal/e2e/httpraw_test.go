package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// speaker is a listener that speaks HTTP, with a request that it answers.
type speaker struct{ name, addr, path, auth, status string }

func speakers(c *Cluster) []speaker {
	at := c.Addrs()
	return []speaker{
		{"public", at.Public, "/v2/time", "", "200"},
		{"admin", at.Admin, "/v2/nodes", "Authorization: Bearer " + at.Token + "\r\n", "200"},
		{"comet", at.HTTP, "/v2/events?key=", "", "400"}, // one that does not become a stream
		{"ops", at.Ops, "/healthz", "", "200"},
	}
}

// TestHTTPOnTheWire: what every listener answers to the same bytes. OK stands for a request
// that works, {path} and {auth} for its parts. An answer is its status; "|" is a connection
// that ends there, so that nothing behind it is taken for another request.
func TestHTTPOnTheWire(t *testing.T) {
	c := Start(t, Options{})
	const head = "GET {path} HTTP/1.1\r\nHost: x\r\n{auth}"
	for _, tt := range []struct{ name, send, want string }{
		{"one after the other", "OK OK", "200 200"},
		{"HTTP/1.0 ends", "GET {path} HTTP/1.0\r\n{auth}\r\n", "200 |"},
		{"HTTP/1.0 that stays", "GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n{auth}\r\nOK", "200 200"},
		{"asked to close", head + "Connection: close\r\n\r\nOK", "200 |"},
		{"after an error", "GET /nothing HTTP/1.1\r\nHost: x\r\n{auth}\r\nOK", "404 200"},
		{"another method", "PUT {path} HTTP/1.1\r\nHost: x\r\n{auth}\r\nOK", "405 200"},
		{"a trailing slash", "GET /v2/time/ HTTP/1.1\r\nHost: x\r\n{auth}\r\nOK", "404 200"},
		{"absolute form", "GET http://other{path} HTTP/1.1\r\nHost: x\r\n{auth}\r\nOK", "200 200"},
		{"a body on GET", head + "Content-Length: 25\r\n\r\nDELETE / HTTP/1.1\r\nab: c\nOK", "200 200"},
		{"chunks on GET", head + "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\nOK", "200 200"},
		{"a length beside chunks, which count", head + "Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nOK", "200 200"},
		{"chunks cut short by a length", head + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\nOK", "200 |"},
		{"an expectation", head + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", "200"},
		{"another expectation", head + "Expect: more\r\n\r\n", "417"},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\nOK", "200 200"},
		{"no Host", "GET {path} HTTP/1.1\r\n{auth}\r\nOK", "400 |"},
		{"two Hosts", head + "Host: y\r\n\r\nOK", "400 |"},
		{"a Host that is none", "GET {path} HTTP/1.1\r\nHost: a b\r\n{auth}\r\nOK", "400 |"},
		{"two lengths", head + "Content-Length: 0\r\nContent-Length: 2\r\n\r\nOK", "400 |"},
		{"a list of lengths", head + "Content-Length: 0, 2\r\n\r\nOK", "400 |"},
		{"a negative length", head + "Content-Length: -1\r\n\r\nOK", "400 |"},
		{"a length with a sign", head + "Content-Length: +2\r\n\r\nOK", "400 |"},
		{"a length in hexadecimal", head + "Content-Length: 0x2\r\n\r\nOK", "400 |"},
		{"a length too large", head + "Content-Length: 9223372036854775808\r\n\r\nOK", "400 |"},
		{"an unknown coding", head + "Transfer-Encoding: xchunked\r\n\r\nOK", "501 |"},
		{"two codings", head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\nOK", "501 |"},
		{"a coding twice", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\nOK", "501 |"},
		{"a space before the colon", head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\nOK", "400 |"},
		{"a name that is none", head + "Bad Name: x\r\n\r\nOK", "400 |"},
		{"a NUL", head + "X: a\x00b\r\n\r\nOK", "400 |"},
		{"a bare carriage return", head + "X: a\rb\r\n\r\nOK", "400 |"},
		{"a method that is none", "G(T {path} HTTP/1.1\r\nHost: x\r\n\r\nOK", "400 |"},
		{"three words too many", "GET {path} and more HTTP/1.1\r\nHost: x\r\n\r\nOK", "400 |"},
		{"another version", "GET {path} HTTP/3.0\r\nHost: x\r\n\r\nOK", "505 |"},
		{"a header too large", head + "X: " + strings.Repeat("x", 32<<10) + "\r\n\r\nOK", "431 |"},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400 |"},
	} {
		for _, s := range speakers(c) {
			t.Run(tt.name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				send := strings.NewReplacer("OK", "GET "+s.path+" HTTP/1.1\r\nHost: x\r\n"+s.auth+"\r\n", "{path}", s.path, "{auth}", s.auth).Replace(strings.ReplaceAll(tt.send, "OK OK", "OKOK"))
				want := strings.ReplaceAll(tt.want, "200", s.status)
				if tt.name == "OPTIONS *" {
					want = "200 " + s.status // net/http answers for the server as a whole
				}
				if got := statuses(t, s.addr, send, len(strings.Fields(want))); got != want {
					t.Errorf("%.200q is answered %s, want %s", send, got, want)
				}
			})
		}
	}
}

// statuses sends bytes and gives the statuses of the first n answers, or the connection's end.
func statuses(t *testing.T, addr, send string, n int) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, send); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	var got []string
	for len(got) < n {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return strings.Join(append(got, "|"), " ")
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		got = append(got, fmt.Sprint(res.StatusCode))
		_, _ = io.Copy(io.Discard, res.Body) // the end of the connection shows with the next answer
	}
	return strings.Join(got, " ")
}
