package web

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/apitest"
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
	for _, o := range apitest.Load(t).Operations {
		if o.Listener != "comet" {
			documented = append(documented, o.String())
		}
	}
	slices.Sort(code)
	slices.Sort(documented)
	if diff := cmp.Diff(documented, code); diff != "" {
		t.Errorf("routes differ (-documented +in code):\n%s", diff)
	}
}

// TestAdminWantsTheToken: an operation needs it if and only if it is tagged admin.
func TestAdminWantsTheToken(t *testing.T) {
	for _, o := range apitest.Load(t).Operations {
		if admin := o.Listener == "admin"; admin != (o.Security != nil) {
			t.Errorf("%s: security is %v", o, o.Security)
		}
	}
}

// TestProblemCodesMatchOpenAPI: the list of codes is the contract with clients.
func TestProblemCodesMatchOpenAPI(t *testing.T) {
	documented := map[string]bool{}
	for _, code := range apitest.Load(t).API.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum {
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

// TestErrorsPage: the table of docs/http-api.md has the codes and statuses that the
// responses of the document have.
func TestErrorsPage(t *testing.T) {
	documented := map[string]string{}
	for name, res := range apitest.Load(t).API.Components.Responses {
		media := res.Value.Content["application/problem+json"]
		if media == nil || strings.HasPrefix(name, "Stream") || len(media.Schema.Value.AllOf) < 2 {
			continue
		}
		is := media.Schema.Value.AllOf[1].Value.Properties
		for _, code := range is["code"].Value.Enum {
			documented[fmt.Sprint(code)] = fmt.Sprint(is["status"].Value.Enum[0])
		}
	}
	text, err := os.ReadFile("../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	page := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\| (\\d{3}) \\|").FindAllStringSubmatch(string(text), -1) {
		for code := range strings.SplitSeq(row[1], ", ") {
			page[strings.Trim(code, "`")] = row[2]
		}
	}
	if diff := cmp.Diff(documented, page); diff != "" {
		t.Errorf("codes and statuses (-openapi.yaml +http-api.md):\n%s", diff)
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
