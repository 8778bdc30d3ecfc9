package pages

import (
	"fmt"
	"regexp"
	"strings"
)

// Shown is an output as a page shows it: JSON in a comment behind the command, or in a json
// block of its own. Numbers stand for any number, "..." for anything; an id, which has 15
// digits or more, is the same id wherever the page shows it.
type Shown struct {
	Status string // of HTTP; empty: it is not shown
	Text   string
}

var (
	shownLine = regexp.MustCompile(`^# (?:(\d{3}) )?(\{.*)$`)
	pieces    = regexp.MustCompile(`\d{15,}|\d+(?:\.\d+)?|\.\.\.`)
	id        = regexp.MustCompile(`\d{15,}`)
	status    = regexp.MustCompile(`(?m)^HTTP (\d{3})$`)
)

// shownIn finds the outputs in the comments of a script. A comment that is indented goes on
// with the one before.
func shownIn(script string) []Shown {
	var all []Shown
	var text []string
	end := func() {
		if len(text) > 0 {
			all[len(all)-1].Text = joined(text)
		}
		text = nil
	}
	for line := range strings.SplitSeq(script, "\n") {
		if m := shownLine.FindStringSubmatch(line); m != nil {
			end()
			all, text = append(all, Shown{Status: m[1]}), []string{m[2]}
		} else if more, ok := strings.CutPrefix(line, "#  "); ok && len(text) > 0 {
			text = append(text, more)
		} else {
			end()
		}
	}
	end()
	return all
}

// joined is JSON that was broken into lines, as the server writes it.
func joined(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimSpace(line))
	}
	return b.String()
}

// IDs are the ids of a page, each with the one that it really got.
type IDs map[string]string

// In puts the real ids into a text of the page.
func (ids IDs) In(text string) string {
	return id.ReplaceAllStringFunc(text, func(s string) string {
		if real, ok := ids[s]; ok {
			return real
		}
		return s
	})
}

// Find looks for what is shown in an output, and takes over the ids that it finds.
func (ids IDs) Find(s Shown, output string) error {
	var pattern strings.Builder
	var found []string // ids of the page that the pattern asks for
	last := 0
	for _, at := range pieces.FindAllStringIndex(s.Text, -1) {
		pattern.WriteString(regexp.QuoteMeta(s.Text[last:at[0]]))
		piece := s.Text[at[0]:at[1]]
		switch real, known := ids[piece]; {
		case piece == "...":
			pattern.WriteString(`.*`)
		case known:
			pattern.WriteString(real)
		case len(piece) >= 15:
			pattern.WriteString(`(\d{15,})`)
			found = append(found, piece)
		default:
			pattern.WriteString(`\d+(?:\.\d+)?`)
		}
		last = at[1]
	}
	pattern.WriteString(regexp.QuoteMeta(s.Text[last:]))
	shown, err := regexp.Compile(pattern.String())
	if err != nil {
		return fmt.Errorf("the page shows what is no text: %w", err)
	}
	m := shown.FindStringSubmatch(output)
	if m == nil {
		return fmt.Errorf("the page shows %s, and that is not in the output", ids.In(s.Text))
	}
	for i, name := range found {
		if other, known := ids[name]; known && other != m[i+1] {
			return fmt.Errorf("the page shows the id %s twice where there are two, %s and %s", name, other, m[i+1])
		}
		ids[name] = m[i+1]
	}
	if s.Status != "" && !strings.Contains(output, "HTTP "+s.Status+"\n") {
		return fmt.Errorf("the page shows status %s for %s", s.Status, s.Text)
	}
	return nil
}

// Unexpected gives the statuses of HTTP that say an error and that the script does not speak
// of. The output has a line "HTTP NNN" for each request.
func (b Block) Unexpected(output string) []string {
	var bad []string
	for _, m := range status.FindAllStringSubmatch(output, -1) {
		if m[1] >= "400" && !strings.Contains(b.Script, m[1]) {
			bad = append(bad, m[1])
		}
	}
	return bad
}
