package console

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pageFile gives the text of one file of the page.
func pageFile(t *testing.T, name string) string {
	t.Helper()
	b, err := page.ReadFile("page/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pageFiles are all of them by name.
func pageFiles(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	entries, err := page.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all[e.Name()] = pageFile(t, e.Name())
	}
	return all
}

// references are how one file of the page names another.
var references = map[string]*regexp.Regexp{
	".html": regexp.MustCompile(`\s(?:src|href|action|data|srcset|poster)="([^"]*)"`),
	".css":  regexp.MustCompile(`(?:url\(|@import\s+)["']?([^"')\s;]+)`),
	".js":   regexp.MustCompile(`(?m)^(?:import|export)\s[^;]*?from\s+"([^"]*)"`),
	".svg":  regexp.MustCompile(`(?:href|src)="([^"]*)"`),
}

// TestReferences: everything that the page names is part of it, and everything
// that is part of it is named.
func TestReferences(t *testing.T) {
	files := pageFiles(t)
	named := map[string]bool{"index.html": true}
	for name, text := range files {
		for _, m := range references[path.Ext(name)].FindAllStringSubmatch(text, -1) {
			target, isFragment := strings.CutPrefix(m[1], "#")
			if isFragment {
				if !strings.Contains(text, `id="`+target+`"`) {
					t.Errorf("%s leads to #%s, which does not exist", name, target)
				}
				continue
			}
			to := strings.TrimPrefix(m[1], "./")
			if _, ok := files[to]; !ok {
				t.Errorf("%s names %q, which is not embedded", name, m[1])
			}
			named[to] = true
		}
	}
	for name := range files {
		if !named[name] {
			t.Errorf("nothing names %s", name)
		}
	}
}

// TestModules: an import must find what it names, as there is no build to notice.
func TestModules(t *testing.T) {
	files := pageFiles(t)
	imports := regexp.MustCompile(`(?m)^import \{([^}]*)\} from "\./([^"]+)";$`)
	n := 0
	for name, text := range files {
		if path.Ext(name) != ".js" {
			continue
		}
		found := imports.FindAllStringSubmatch(text, -1)
		if strings.Count("\n"+text, "\nimport ") != len(found) {
			t.Errorf("%s has an import of another form", name)
		}
		for _, m := range found {
			for symbol := range strings.SplitSeq(m[1], ",") {
				symbol = strings.TrimSpace(symbol)
				exported := regexp.MustCompile(`(?m)^export (?:async )?(?:class|function|const) ` + regexp.QuoteMeta(symbol) + `\b`)
				if !exported.MatchString(files[m[2]]) {
					t.Errorf("%s imports %s, which %s does not export", name, symbol, m[2])
				}
				if rest := strings.Replace(text, m[0], "", 1); !regexp.MustCompile(`\b` + symbol + `\b`).MatchString(rest) {
					t.Errorf("%s imports %s and does not use it", name, symbol)
				}
				n++
			}
		}
	}
	if n < 10 {
		t.Errorf("%d imports found", n)
	}
}

// TestNothingForeign: no address of another origin, and nothing that the policy
// would refuse, as it would fail only in a browser.
func TestNothingForeign(t *testing.T) {
	patterns := map[string]*regexp.Regexp{
		"an address":           regexp.MustCompile(`(?i)\b(https?|wss?|ftp)://`),
		"an address of a host": regexp.MustCompile(`(?i)["'(]//[a-z]`),
		"an inline style":      regexp.MustCompile(`(?i)<style|\sstyle=|setAttribute\("style`),
		"an inline handler":    regexp.MustCompile(`(?i)<[^>]+\son[a-z]+=`),
		"an inline script":     regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>\s*[^<\s]`),
		"a string as code":     regexp.MustCompile(`\beval\(|\bnew Function\b|javascript:|set(?:Timeout|Interval)\(["']`),
		"a string as markup":   regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment`),
		"a data or blob URL":   regexp.MustCompile(`(?i)\b(data|blob):[a-z]`),
		"a worker or a frame":  regexp.MustCompile(`\bWorker\(|serviceWorker|<iframe|<object|<embed`),
		"a cookie":             regexp.MustCompile(`document\.cookie`),
		"the console of tools": regexp.MustCompile(`\bconsole\.(log|debug|error|warn)`),
	}
	for name, text := range pageFiles(t) {
		text = strings.ReplaceAll(text, `xmlns="http://www.w3.org/2000/svg"`, "")
		for what, pattern := range patterns {
			if found := pattern.FindString(text); found != "" {
				t.Errorf("%s holds %s: %q", name, what, found)
			}
		}
	}
}

// TestElements: what the scripts look for is in the page, once.
func TestElements(t *testing.T) {
	html := pageFile(t, "index.html")
	count := make(map[string]int)
	for _, m := range regexp.MustCompile(`\sid="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		count[m[1]]++
	}
	for id, n := range count {
		if n != 1 {
			t.Errorf("the id %s stands %d times", id, n)
		}
	}
	wanted := make(map[string]bool)
	for name, text := range pageFiles(t) {
		for _, m := range regexp.MustCompile(`byId\("([^"]+)"\)`).FindAllStringSubmatch(text, -1) {
			wanted[m[1]] = true
			if count[m[1]] == 0 {
				t.Errorf("%s looks for #%s, which is not in the page", name, m[1])
			}
		}
	}
	if len(wanted) < 20 {
		t.Errorf("the scripts look for %v alone", slices.Sorted(maps.Keys(wanted)))
	}
}

// TestAccessible holds what a screen reader needs.
func TestAccessible(t *testing.T) {
	html := pageFile(t, "index.html")
	for _, m := range regexp.MustCompile(`<(?:input|textarea)\s[^>]*id="([^"]+)"[^>]*>`).FindAllStringSubmatch(html, -1) {
		wrapped := regexp.MustCompile(`<label>\s*` + regexp.QuoteMeta(m[0]) + `[^<]*\w`)
		if !strings.Contains(html, `<label for="`+m[1]+`">`) && !wrapped.MatchString(html) {
			t.Errorf("the field %s has no label", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`aria-(?:labelledby|describedby)="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		if !strings.Contains(html, `id="`+m[1]+`"`) {
			t.Errorf("aria names #%s, which is not in the page", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`<button[^>]*>`).FindAllString(html, -1) {
		if !strings.Contains(m, ` type="`) {
			t.Errorf("%s has no type", m)
		}
	}
	css := pageFile(t, "style.css")
	for what, part := range map[string]string{
		"a language": `<html lang="en">`, "a viewport": `name="viewport"`, "a live region": `aria-live="polite"`,
		"an alert": `role="alert"`, "a switch": `role="switch"`, "a main part": "<main>",
	} {
		if !strings.Contains(html, part) {
			t.Errorf("the page has not %s: %s", what, part)
		}
	}
	for _, part := range []string{":focus-visible", "prefers-color-scheme: dark", "prefers-reduced-motion: reduce"} {
		if !strings.Contains(css, part) {
			t.Errorf("the style has not %s", part)
		}
	}
	if strings.Contains(css, "outline: none") || strings.Contains(css, "outline: 0") {
		t.Error("the style hides the focus")
	}
}

// TestNoSecret: the page comes without a token, so that nothing in it may be one.
func TestNoSecret(t *testing.T) {
	for name, text := range pageFiles(t) {
		if found := regexp.MustCompile(`\b[A-Z2-7]{26}\b|Bearer [A-Za-z0-9]`).FindString(text); found != "" {
			t.Errorf("%s holds %q", name, found)
		}
	}
}
