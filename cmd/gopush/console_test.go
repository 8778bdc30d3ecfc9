package main

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"gopush/internal/serve"
)

// consoleLink finds the link to the console in what serve prints.
func consoleLink(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(regexp.MustCompile(`http://\S+/console/\S*`).FindString(text))
	if err != nil || u.Host == "" {
		t.Fatalf("no link to the console in:\n%s", text)
	}
	return u
}

// TestConsoleLink opens the link as a browser does: the page comes without the
// token, and what is behind # opens the rest.
func TestConsoleLink(t *testing.T) {
	for name, args := range map[string][]string{"token": nil, "development": {"--dev"}} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			server := inBackground(t, append([]string{"serve", "--ports-from", "0", "--log-level", "error"}, args...)...)
			link := consoleLink(t, server.out.until(t, "the messages stay"))
			given, err := url.ParseQuery(link.EscapedFragment())
			if err != nil || given.Has("token") == (name == "development") {
				t.Errorf("the fragment is %q: %v", link.Fragment, err)
			}
			link.Fragment, link.RawFragment = "", ""
			if res, page := fetch(t, link.String(), ""); res.StatusCode != http.StatusOK || !strings.Contains(page, "<title>gopush console</title>") {
				t.Errorf("%s: %d", link, res.StatusCode)
			}
			res, node := fetch(t, link.String()+"node?key=phone-1", given.Get("token"))
			address := regexp.MustCompile(`"ws":"(ws://[^/"]+)/v2/stream"`).FindStringSubmatch(node)
			if res.StatusCode != http.StatusOK || address == nil {
				t.Fatalf("node: %d %s", res.StatusCode, node)
			}
			res, _ = fetch(t, link.String(), "")
			if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, " "+address[1]+";") {
				t.Errorf("the page may not connect to %s: %s", address[1], policy)
			}
			server.stop()
		})
	}
}

func fetch(t *testing.T, target, token string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// TestConsoleLinkEscapes: a token of one's own may hold what means something in
// a link.
func TestConsoleLinkEscapes(t *testing.T) {
	const token = "a+b%41&key=c#d e0123456789"
	b := banner{Token: token, Addresses: serve.Addrs{Admin: "0.0.0.0:8091", Comets: []serve.CometAddrs{{}}}}
	link := consoleLink(t, b.text())
	// The page reads what stands behind # as a browser hands it over: escaped.
	given, err := url.ParseQuery(link.EscapedFragment())
	if err != nil || given.Get("token") != token || len(given) != 1 || link.Host != "127.0.0.1:8091" {
		t.Errorf("%s: %v %v", link, given, err)
	}
}
