package web

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRoutesMatchOpenAPI holds code and document together, both ways.
func TestRoutesMatchOpenAPI(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard())
	var code []string
	for listener, routes := range map[string][]route{"public": s.publicRoutes(), "admin": s.adminRoutes()} {
		for _, r := range routes {
			code = append(code, listener+" "+r.method+" "+r.pattern)
		}
	}
	var documented []string
	doc := loadDoc(t)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			documented = append(documented, op.Tags[0]+" "+method+" "+path)
		}
	}
	slices.Sort(code)
	slices.Sort(documented)
	if diff := cmp.Diff(documented, code); diff != "" {
		t.Errorf("routes differ (-documented +in code):\n%s", diff)
	}
}

func TestOpenAPIIsValid(t *testing.T) {
	doc := loadDoc(t)
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if admin := op.Tags[0] == "admin"; admin != (op.Security != nil) {
				t.Errorf("%s %s: an operation needs the token if and only if it is tagged admin", method, path)
			}
		}
	}
}

// TestProblemCodesMatchOpenAPI: the list of codes is the contract with clients.
func TestProblemCodesMatchOpenAPI(t *testing.T) {
	documented := map[string]bool{}
	for _, code := range loadDoc(t).Components.Schemas["Problem"].Value.Properties["code"].Value.Enum {
		documented[fmt.Sprint(code)] = true
	}
	seen := map[string]bool{}
	for _, kind := range allKinds {
		seen[string(classOf(kind).code)] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(seen))); diff != "" {
		t.Errorf("codes differ (-documented +in code):\n%s", diff)
	}
}

// TestCurlExamples: every path of the examples is one that is served.
func TestCurlExamples(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard())
	n := 0
	for _, line := range curlLines(t) {
		port, method, path := parseCurl(t, line)
		routes := s.publicRoutes()
		if port == "8091" {
			routes = s.adminRoutes()
		}
		if !slices.ContainsFunc(routes, func(r route) bool { return r.method == method && matches(r.pattern, path) }) {
			t.Errorf("docs/http-api.md shows %s %s on port %s, which is not served", method, path, port)
		}
		n++
	}
	if n < 10 {
		t.Errorf("docs/http-api.md has %d curl examples; expected more", n)
	}
}

func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !strings.HasPrefix(want[i], "{") && want[i] != got[i] {
			return false
		}
	}
	return true
}

// curlLines returns the curl commands of docs/http-api.md, continued lines
// joined.
func curlLines(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		if line = strings.TrimSpace(line); strings.Contains(line, "curl ") && strings.Contains(line, "localhost:") {
			lines = append(lines, line)
		}
	}
	return lines
}

var (
	curlURL    = regexp.MustCompile(`localhost:(\d+)(/[^\s'"?]*)`)
	curlMethod = regexp.MustCompile(`-X ?([A-Z]+)`)
	curlBody   = regexp.MustCompile(`(--json|-d|--data-binary|-T) `)
)

func parseCurl(t *testing.T, line string) (port, method, path string) {
	t.Helper()
	url := curlURL.FindStringSubmatch(line)
	if url == nil {
		t.Fatalf("no address in %q", line)
	}
	method = "GET"
	if curlBody.MatchString(line) {
		method = "POST"
	}
	if m := curlMethod.FindStringSubmatch(line); m != nil {
		method = m[1]
	}
	return url[1], method, url[2]
}
