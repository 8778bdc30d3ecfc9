package pages

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Block is one fenced sh block of a page. The line before it says what becomes of it:
//
//	<!-- test: NEEDS expect='TEXT' until='TEXT' stays -->
//	<!-- not run: REASON -->
type Block struct {
	Line   int // of the fence
	Script string
	// Needs names what the block runs against, one of Needs; empty: it is not run.
	Needs string
	// Reason says why it is not run.
	Reason string
	// Expect is what the output has to hold.
	Expect []string
	// Until stops a block that does not end by itself, once its output holds it;
	// empty: the block has to end with exit code 0.
	Until string
	// Stays lets such a block go on until the last one of its page has run.
	Stays bool
	// Shown are the outputs that the page shows.
	Shown []Shown
}

// Needs is what a block can run against:
//
//	serve  a gopush serve of its own, with its data in ./gopush-data
//	alone  nothing: it starts what it needs
//	hbase  a real HBase
//	table  the same, with the table of messages
//	redis  a real HBase, and two of Redis
var Needs = []string{"serve", "alone", "hbase", "table", "redis"}

var (
	testMark   = regexp.MustCompile(`^<!-- test: ([a-z]+)((?: +[a-z]+='[^']*'| +stays)*) -->$`)
	notRunMark = regexp.MustCompile(`^<!-- not run: (\S.*\S) -->$`)
	attribute  = regexp.MustCompile(` +(?:([a-z]+)='([^']*)'|stays)`)
	// otherShell is how else a block of commands could be called.
	otherShell = regexp.MustCompile(`^(bash|shell|console|zsh|sh-session)\b`)
)

// Blocks finds the sh blocks of the page. One without a mark, and a mark that is not understood
// or that no sh block follows, is an error: a block that silently does not run proves nothing.
func (p Page) Blocks() ([]Block, error) {
	var blocks []Block
	fences := p.Fences()
	marked := 0
	for i, f := range fences {
		if otherShell.MatchString(f.Lang) {
			return nil, fmt.Errorf("%s:%d: a block of commands is called sh, not %s", p.Path, f.Line, f.Lang)
		}
		if f.Lang != "sh" {
			continue
		}
		b, err := parseMark(f.Before)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", p.Path, f.Line, err)
		}
		marked++
		b.Line, b.Script, b.Shown = f.Line, f.Text, shownIn(f.Text)
		if i+1 < len(fences) && fences[i+1].Lang == "json" && fences[i+1].Next {
			b.Shown = append(b.Shown, Shown{Text: joined(strings.Split(fences[i+1].Text, "\n"))})
		}
		blocks = append(blocks, b)
	}
	for i, line := range p.Prose() {
		if isMark(strings.TrimSpace(line)) {
			marked--
			if marked < 0 {
				return nil, fmt.Errorf("%s: %d marks too many, the last in line %d: each stands right before a ```sh", p.Path, -marked, i+1)
			}
		}
	}
	return blocks, nil
}

func isMark(line string) bool {
	return strings.HasPrefix(line, "<!-- test:") || strings.HasPrefix(line, "<!-- not run:")
}

func parseMark(line string) (Block, error) {
	if !isMark(line) {
		return Block{}, fmt.Errorf("the ```sh has no mark in the line before it: <!-- test: NEEDS -->, with NEEDS one of %s, or <!-- not run: REASON -->", strings.Join(Needs, ", "))
	}
	if m := notRunMark.FindStringSubmatch(line); m != nil {
		return Block{Reason: m[1]}, nil
	}
	m := testMark.FindStringSubmatch(line)
	if m == nil || !slices.Contains(Needs, m[1]) {
		return Block{}, fmt.Errorf("the mark %q is not understood", line)
	}
	b := Block{Needs: m[1]}
	for _, a := range attribute.FindAllStringSubmatch(m[2], -1) {
		switch a[1] {
		case "":
			b.Stays = true
		case "expect":
			b.Expect = append(b.Expect, a[2])
		case "until":
			b.Until = a[2]
		default:
			return Block{}, fmt.Errorf("the mark has the attribute %q; expect, until and stays are known", a[1])
		}
	}
	if b.Stays && b.Until == "" {
		return Block{}, fmt.Errorf("the mark %q: what stays needs an until, to be waited for", line)
	}
	return b, nil
}
