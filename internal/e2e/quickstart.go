package e2e

import (
	"fmt"
	"regexp"
	"strings"
)

// Block is one fenced sh block of a Markdown page that is marked to be run, by a
// comment in the line before it:
//
//	<!-- test: quickstart expect='TEXT' until='TEXT' -->
type Block struct {
	Line   int // of the fence
	Script string
	// Expect is what the output has to hold; empty: anything.
	Expect string
	// Until stops a block that does not end by itself, once its output holds it;
	// empty: the block has to end with exit code 0.
	Until string
}

var (
	mark      = regexp.MustCompile(`^<!-- test: quickstart((?: +[a-z]+='[^']*')*) -->$`)
	attribute = regexp.MustCompile(` +([a-z]+)='([^']*)'`)
)

// Blocks finds the marked blocks of a page. A mark that is not understood, or that
// no sh block follows, is an error: a block that silently does not run proves
// nothing.
func Blocks(page string) ([]Block, error) {
	lines := strings.Split(page, "\n")
	var blocks []Block
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(strings.TrimSpace(lines[i]), "<!-- test:") {
			continue
		}
		b, err := parseMark(lines[i])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if i+1 >= len(lines) || lines[i+1] != "```sh" {
			return nil, fmt.Errorf("line %d: no ```sh follows the mark", i+1)
		}
		b.Line = i + 2
		for i += 2; i < len(lines) && lines[i] != "```"; i++ {
			b.Script += lines[i] + "\n"
		}
		if i == len(lines) {
			return nil, fmt.Errorf("line %d: the block does not end", b.Line)
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

func parseMark(line string) (Block, error) {
	m := mark.FindStringSubmatch(line)
	if m == nil {
		return Block{}, fmt.Errorf("the mark %q is not understood", line)
	}
	var b Block
	for _, a := range attribute.FindAllStringSubmatch(m[1], -1) {
		switch a[1] {
		case "expect":
			b.Expect = a[2]
		case "until":
			b.Until = a[2]
		default:
			return Block{}, fmt.Errorf("the mark has the attribute %q; expect and until are known", a[1])
		}
	}
	return b, nil
}
