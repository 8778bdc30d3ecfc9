package pages

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopush/internal/config"
)

// tree is what names of the documentation are looked up in.
type tree struct {
	code     string // all Go sources, tests included
	metrics  string // docs/metrics.md, which is held to the code
	paths    *regexp.Regexp
	settings []string
	makefile string
}

func newTree(t *testing.T) *tree {
	t.Helper()
	const root = "../.."
	var code strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "build", "gopush-data", "hbase-data"}, d.Name()) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		code.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return &tree{
		code: code.String(), metrics: read(t, "docs/metrics.md"), settings: config.Paths(),
		makefile: read(t, "Makefile"), paths: described(read(t, "docs/openapi.yaml")),
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// described matches the paths of openapi.yaml, with anything in the place of a parameter.
func described(openapi string) *regexp.Regexp {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^  (/\S+):$`).FindAllStringSubmatch(openapi, -1) {
		all = append(all, regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(m[1]), `[^/]+`))
	}
	return regexp.MustCompile(`^(` + strings.Join(all, "|") + `)$`)
}

// Metrics, settings, variables, paths of the APIs, files, tests, targets of make and close
// codes that a page names are there.
//
// Broken once for each of them by a slip in its name.
func TestNames(t *testing.T) {
	tree := newTree(t)
	seen := make(map[string]int)
	for _, p := range all(t) {
		for n, line := range strings.Split(p.Text, "\n") {
			for _, k := range kinds {
				for _, m := range k.pattern.FindAllStringSubmatch(line, -1) {
					seen[k.name]++
					if !k.is(tree, m[1]) {
						t.Errorf("%s:%d: there is no %s %s", p.Path, n+1, k.name, m[1])
					}
				}
			}
		}
	}
	for _, k := range kinds {
		if seen[k.name] < 5 {
			t.Errorf("%d names of a %s were found", seen[k.name], k.name)
		}
	}
}

// kinds of names, and how they are looked up.
var kinds = []struct {
	name    string
	pattern *regexp.Regexp
	is      func(*tree, string) bool
}{
	{"metric", regexp.MustCompile("`(gopush_[a-z]+_[a-z_]+)[`{]"), func(t *tree, s string) bool {
		return strings.Contains(t.metrics, "| `"+s+"` |")
	}},
	{"setting", regexp.MustCompile("(?:`|--set )((?:rpc|log|tracing|coordination|store|messages|comet|tokens|message|web)\\.[a-z_]+)(?:[`=:]|$)"), func(t *tree, s string) bool {
		return slices.Contains(t.settings, s) || slices.Contains([]string{".yaml", ".yml", ".conf", ".key", ".pem", ".go", ".md"}, path.Ext(s))
	}},
	{"variable", regexp.MustCompile(`\b(GOPUSH_[A-Z0-9_]*[A-Z0-9])\b`), func(t *tree, s string) bool {
		isSetting := func(name string) bool { return s == "GOPUSH_"+strings.ToUpper(strings.ReplaceAll(name, ".", "_")) }
		return slices.ContainsFunc(t.settings, isSetting) || strings.Contains(t.code, `"`+s) || strings.Contains(t.code, "$"+s) ||
			strings.HasPrefix(s, "GOPUSH_WEB_PORT_") || s == "GOPUSH_WEB_SERVICE_HOST" // what Kubernetes sets
	}},
	{"path of the API", regexp.MustCompile("(?:[` ]|:80\\d\\d)(/(?:v2|1|2)/[^\\s`'\"?,)\\]<\\[&]+)"), func(t *tree, s string) bool {
		return t.paths.MatchString(s) || strings.Contains(t.code, " "+s+`"`) || strings.Contains(t.code, `"`+s+`"`)
	}},
	{"file", regexp.MustCompile("`((?:cmd|comet|message|web|hbase|migrations|docker|docs|internal)/[^\\s`:]+)`"), func(_ *tree, s string) bool {
		for _, one := range spread(s) {
			if found, err := filepath.Glob(filepath.Join("../..", one)); err != nil || len(found) == 0 {
				return false
			}
		}
		return true
	}},
	{"test", regexp.MustCompile(`\b((?:Test|Benchmark|Fuzz)[A-Z]\w+)`), func(t *tree, s string) bool {
		return strings.Contains(t.code, "func "+s)
	}},
	{"target of make", regexp.MustCompile("(?:`|^)make ([a-z-]+)"), func(t *tree, s string) bool {
		return strings.Contains(t.makefile, "\n"+s+": ")
	}},
	{"close code", regexp.MustCompile(`(?:^\| |[^-\w.,/:])(4(?:00|10)\d)(?: \||[.,;)]|$| )`), func(t *tree, s string) bool {
		return s == "4000" || s == "4100" || strings.Contains(t.code, "CloseCode = "+s) // those two begin a class
	}},
}

// spread takes {a,b} apart.
func spread(name string) []string {
	m := regexp.MustCompile(`^(.*)\{([^}]*)\}(.*)$`).FindStringSubmatch(name)
	if m == nil {
		return []string{name}
	}
	var all []string
	for one := range strings.SplitSeq(m[2], ",") {
		all = append(all, m[1]+one+m[3])
	}
	return all
}

// Every code with which a connection can be closed is on the page of the protocols.
//
// Broken once by taking one off the page.
func TestCloseCodes(t *testing.T) {
	page := read(t, "docs/protocol.md")
	codes := regexp.MustCompile(`CloseCode = (4\d{3})`).FindAllStringSubmatch(newTree(t).code, -1)
	if len(codes) < 10 {
		t.Fatalf("%d codes were found", len(codes))
	}
	for _, m := range codes {
		if !strings.Contains(page, "\n| "+m[1]+" |") {
			t.Errorf("docs/protocol.md does not say what %s means", m[1])
		}
	}
}

// Every package has its place on the page of the architecture.
//
// Broken once by a package that it does not have.
func TestPackages(t *testing.T) {
	page := read(t, "docs/architecture.md")
	dirs := make(map[string]bool)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{".git", "build", "testdata", "node_modules"}, d.Name()) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".go" {
			dirs[strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../../")] = true
		}
		return err
	})
	if err != nil || len(dirs) < 30 {
		t.Fatalf("%d packages, %v", len(dirs), err)
	}
	for dir := range dirs {
		if !strings.Contains(page, "`"+dir+"`") && !strings.Contains(page, "`"+path.Base(dir)+"`") {
			t.Errorf("docs/architecture.md does not say what %s is for", dir)
		}
	}
}
