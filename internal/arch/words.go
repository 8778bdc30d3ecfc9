package arch

import (
	"fmt"
	"regexp"
	"strings"
)

// Word is something that must not appear in the tree.
type Word struct {
	Pattern *regexp.Regexp
	Suffix  string // only in files whose path ends so; empty: in all
	Why     string
}

// Words is the list. The patterns are put together from pieces, so that this
// file does not hold what it looks for.
var Words = []Word{
	{regexp.MustCompile(`(^|[^\w.])/wor` + `k/`), "", "a path of somebody's machine"},
	{regexp.MustCompile(`/tmp/te` + `am\b`), "", "a path of somebody's machine"},
	{regexp.MustCompile(`/(ro` + `ot|home/\w+)/`), "", "a path of somebody's machine"},
	{regexp.MustCompile(`\.\./sha` + `red\b`), "", "a path outside the tree"},
	{regexp.MustCompile(`(?i)\b(proxy|sum|repo|repo1|registry|index|files|deb)\.(gol` + `ang|ma` + `ven|np` + `mjs|deb` + `ian|pyth` + `onhosted)\b`), "", "the host of a package registry"},
	{regexp.MustCompile(`GOPRO` + `XY=`), "", "the choice of a module proxy is the machine's"},
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), "", "work left undone"},
	{regexp.MustCompile(`\btime\.Sle` + `ep\(`), ".go", "wait on a condition instead"},
	{regexp.MustCompile(`\b[tbf]\.Ski` + `p(f|Now)?\(`), "_test.go", "a test that does not run"},
	{regexp.MustCompile(`\btesting\.Sh` + `ort\(`), "_test.go", "a test that does not run"},
}

// Forbidden reports every line that holds one of words.
func Forbidden(files []File, words []Word) []string {
	var bad []string
	for _, f := range files {
		for _, w := range words {
			if !strings.HasSuffix(f.Path, w.Suffix) || !w.Pattern.MatchString(f.Text) {
				continue
			}
			for i, line := range strings.Split(f.Text, "\n") {
				if found := w.Pattern.FindString(line); found != "" {
					bad = append(bad, fmt.Sprintf("%s:%d: %q: %s", f.Path, i+1, strings.TrimSpace(found), w.Why))
				}
			}
		}
	}
	return bad
}
