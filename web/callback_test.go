package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestCallbackThroughTheAPI: every byte, alone, behind a letter and before one, as the callback of
// every path that takes one. What comes back is a call of that very name as JavaScript, or plain
// JSON that holds nothing of it; in both cases browsers are told not to guess. Nothing else takes
// a callback.
//
// Broken once by allowing a bracket, once by answering every request as JavaScript, and once by
// keeping the name that was refused.
func TestCallbackThroughTheAPI(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard())
	good := regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$.]{0,63}$`)
	var names []string
	for b := range 256 {
		names = append(names, string([]byte{byte(b)}), string([]byte{'a', byte(b)}), string([]byte{byte(b), 'a'}))
	}
	names = append(names, "</script>", "a(1)", "a;b", "a=b", "a[0]", "a/**/", "\u2028", "ﬀ", "a\u200c", strings.Repeat("a", 65))
	for target, parameter := range map[string]string{
		"/1/server/get?k=K&p=1": "cb", "/2/server/get?k=K&p=1": "cb", "/1/msg/get?k=K&m=0": "cb", "/1/time/get?x=": "cb",
		"/server/get?key=K&proto=1": "callback", "/msg/get?key=K&mid=0": "callback", "/time/get?x=": "callback",
		"/v2/node?key=K": "", "/v2/messages?key=K": "", "/v2/time?x=": "",
	} {
		for _, name := range names {
			given := "&cb=" + url.QueryEscape(name) + "&callback=" + url.QueryEscape(name)
			if parameter != "" {
				given = "&" + parameter + "=" + url.QueryEscape(name)
			}
			w := httptest.NewRecorder()
			s.Public().ServeHTTP(w, httptest.NewRequest(http.MethodGet, target+given, nil))
			body, script := w.Body.String(), strings.Contains(w.Header().Get("Content-Type"), "javascript")
			if want := parameter != "" && good.MatchString(name); script != want ||
				want && !strings.HasPrefix(body, name+"({") || !want && !strings.HasPrefix(body, "{") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %s", target+given, fmt.Sprint(w.Header(), body))
			}
		}
	}
}
