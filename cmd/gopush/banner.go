package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"gopush/internal/serve"
)

// banner is what a person needs once the server is up; as JSON, what a script
// needs. The token is in it on purpose: who can read the output of the server
// can read its data folder too. It never goes into the log.
type banner struct {
	ReadyMillis int64       `json:"ready_ms"`
	Addresses   serve.Addrs `json:"addresses"`
	TokenFile   string      `json:"token_file,omitempty"`
	Token       string      `json:"token,omitempty"`
}

func bannerOf(sys *serve.System, took time.Duration) banner {
	return banner{ReadyMillis: took.Milliseconds(), Addresses: sys.Addrs(), Token: sys.Token(), TokenFile: sys.TokenFile()}
}

func (b banner) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(w, b)
	}
	_, err := io.WriteString(w, b.text())
	return err
}

// text ends with lines that work as they stand when pasted into a shell.
func (b banner) text() string {
	a, c := b.Addresses, b.Addresses.Comets[0]
	var t strings.Builder
	fmt.Fprintf(&t, "gopush is ready after %d ms\n\n", b.ReadyMillis)
	api, stream := scheme(a.TLS), scheme(c.TLS)
	for _, line := range [][2]string{
		{"websocket, SSE", c.HTTP + secured(c.TLS)},
		{"TCP (v1)", c.TCP + secured(c.TCPTLS)},
		{"public API", api + a.Public},
		{"admin API", api + a.Admin},
		{"metrics, health", scheme(a.OpsTLS) + a.Ops},
	} {
		fmt.Fprintf(&t, "  %-16s %s\n", line[0], line[1])
	}
	auth, fragment := "", ""
	switch {
	case b.Token != "":
		fmt.Fprintf(&t, "  admin token      %s (in %s)\n", b.Token, b.TokenFile)
		auth = " -H 'Authorization: Bearer " + b.Token + "'"
		// Browsers keep what is behind # to themselves.
		fragment = "#token=" + url.QueryEscape(b.Token)
	case b.TokenFile != "":
		fmt.Fprintf(&t, "  admin token      yours: %s has only digests of operators' tokens\n", b.TokenFile)
		auth = " -H 'Authorization: Bearer TOKEN'"
	default:
		t.WriteString("  admin token      none: development mode, this machine only\n")
	}
	fmt.Fprintf(&t, `
See it work, with a pretend phone, in a browser:

  %s/console/%s

Push a message to the key phone-1; nobody needs to be connected:

  curl -sS %s/v2/messages%s -H 'Content-Type: application/json' -d '{"key":"phone-1","data":{"text":"hello"}}'

Listen to phone-1: first what is stored, then live. Ctrl-C ends it:

  curl -sSN '%s/v2/events?key=phone-1&after=0'

Read what is stored for phone-1:

  curl -sS '%s/v2/messages?key=phone-1&after=0'

Ctrl-C here stops the server; the messages stay.
`, api+reachable(a.Admin), fragment, api+reachable(a.Admin), auth, stream+reachable(c.HTTP), api+reachable(a.Public))
	return t.String()
}

// scheme begins the URLs of a listener.
func scheme(tls bool) string {
	if tls {
		return "https://"
	}
	return "http://"
}

// secured marks an address that is no URL.
func secured(tls bool) string {
	if tls {
		return " (TLS)"
	}
	return ""
}

// reachable turns an address that is bound to every interface into one that this
// machine can connect to.
func reachable(addr string) string {
	for _, wildcard := range []string{"[::]:", "0.0.0.0:"} {
		if port, ok := strings.CutPrefix(addr, wildcard); ok {
			return "127.0.0.1:" + port
		}
	}
	return addr
}
