package arch

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	inlineLink = regexp.MustCompile(`\]\(([^()\s]+)(?:\s+"[^"]*")?\)`)
	namedLink  = regexp.MustCompile(`^\[[^\]]+\]:\s+(\S+)`)
	codeSpan   = regexp.MustCompile("`+[^`]*`+")
	heading    = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	markup     = regexp.MustCompile("[`*]|\\[([^\\]]*)\\]\\([^)]*\\)")
)

// Links reports every relative link of the Markdown files that names no file or
// folder of the tree, or no heading of the file it names.
func Links(files []File) []string {
	known := make(map[string]bool)
	anchors := make(map[string][]string)
	for _, f := range files {
		for p := f.Path; p != "."; p = path.Dir(p) {
			known[p] = true
		}
		if strings.HasSuffix(f.Path, ".md") {
			anchors[f.Path] = headings(f.Text)
		}
	}
	var bad []string
	for _, f := range files {
		if !strings.HasSuffix(f.Path, ".md") {
			continue
		}
		for n, line := range prose(f.Text) {
			for _, target := range targets(line) {
				if why := broken(f.Path, target, known, anchors); why != "" {
					bad = append(bad, fmt.Sprintf("%s:%d: %s: %s", f.Path, n+1, target, why))
				}
			}
		}
	}
	return bad
}

func broken(from, target string, known map[string]bool, anchors map[string][]string) string {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return ""
	}
	name, anchor, _ := strings.Cut(target, "#")
	to := from
	if name != "" {
		to = path.Join(path.Dir(from), name)
	}
	switch {
	case to != "." && !known[to]:
		return "no such file"
	case anchor != "" && !slices.Contains(anchors[to], anchor):
		return "no such heading"
	default:
		return ""
	}
}

// prose gives the lines of a Markdown text, with those of code blocks empty.
func prose(text string) []string {
	lines := strings.Split(text, "\n")
	fence := ""
	for i, line := range lines {
		trimmed := strings.TrimSpace(line)
		switch {
		case fence != "":
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
			lines[i] = ""
		case strings.HasPrefix(trimmed, "```"), strings.HasPrefix(trimmed, "~~~"):
			fence = trimmed[:3]
			lines[i] = ""
		}
	}
	return lines
}

func targets(line string) []string {
	line = codeSpan.ReplaceAllString(line, "code")
	var list []string
	for _, m := range inlineLink.FindAllStringSubmatch(line, -1) {
		list = append(list, m[1])
	}
	if m := namedLink.FindStringSubmatch(line); m != nil {
		list = append(list, m[1])
	}
	return list
}

// headings gives the anchors of a text, as code hosts make them.
func headings(text string) []string {
	var list []string
	for _, line := range prose(text) {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		slug := anchorOf(m[1])
		for n := 1; slices.Contains(list, slug); n++ {
			slug = fmt.Sprintf("%s-%d", anchorOf(m[1]), n)
		}
		list = append(list, slug)
	}
	return list
}

// anchorOf drops all but letters, digits, "-" and "_", and joins words by "-".
func anchorOf(title string) string {
	title = markup.ReplaceAllString(title, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, title)
}
