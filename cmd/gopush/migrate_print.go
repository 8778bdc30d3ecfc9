package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gopush/migrations"
)

// progress writes what a migration does to standard error, so that standard
// output holds nothing but the result.
type progress struct {
	w    io.Writer
	json bool

	mu    sync.Mutex
	shown time.Duration // of the action under way, when it was last shown; guarded by mu
}

func newProgress(w io.Writer, asJSON bool) *progress { return &progress{w: w, json: asJSON} }

// progressEvery is how often an action under way is shown.
const progressEvery = 2 * time.Second

// progressLine is one event as JSON.
type progressLine struct {
	Step   int    `json:"step,omitempty"`
	Action string `json:"action,omitempty"`
	Millis int64  `json:"took_ms"`
	Done   bool   `json:"done"`
	Note   string `json:"note,omitempty"`
}

func (p *progress) show(e migrations.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	begins := e.Took == 0 && !e.Done
	switch {
	case e.Note != "" || begins:
		p.shown = 0
	case !e.Done && e.Took-p.shown < progressEvery:
		return
	default:
		p.shown = e.Took
	}
	if p.json {
		// Standard error is all there is to tell of a failure to write to it.
		_ = json.NewEncoder(p.w).Encode(progressLine{e.Action.Step, e.Action.Text, e.Took.Milliseconds(), e.Done, e.Note})
		return
	}
	fmt.Fprintln(p.w, progressText(e, begins))
}

func progressText(e migrations.Progress, begins bool) string {
	took := e.Took.Round(time.Millisecond)
	switch {
	case e.Note != "":
		return "  " + e.Note
	case begins:
		return e.Action.Text
	case e.Done:
		return fmt.Sprintf("  done after %s", took)
	default:
		return fmt.Sprintf("  under way for %s", took)
	}
}

// printDone is the result of up and down.
func printDone(done []migrations.Action, asJSON bool, s streams) error {
	if asJSON {
		return writeJSON(s.out, map[string]any{"done": append([]migrations.Action{}, done...)})
	}
	text := "nothing was to be done\n"
	if len(done) > 0 {
		text = fmt.Sprintf("done: %s\n", count(len(done), "action"))
	}
	_, err := io.WriteString(s.out, text)
	return err
}

func printPlan(plan []migrations.Action, asJSON bool, s streams) error {
	if asJSON {
		return writeJSON(s.out, map[string]any{"plan": append([]migrations.Action{}, plan...)})
	}
	if len(plan) == 0 {
		_, err := io.WriteString(s.out, "nothing is to be done\n")
		return err
	}
	for i, a := range plan {
		if _, err := fmt.Fprintf(s.out, "%d. %s\n", i+1, a.Text); err != nil {
			return err
		}
	}
	return nil
}

// printStatus shows it, and fails if the table cannot be used.
func printStatus(st *migrations.Status, asJSON bool, s streams) error {
	var err error
	if asJSON {
		err = writeJSON(s.out, st)
	} else {
		_, err = io.WriteString(s.out, statusText(st))
	}
	if err == nil && st.Problem != "" {
		err = errors.New(st.Problem)
	}
	return err
}

func statusText(st *migrations.Status) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s "+format+"\n", append([]any{name}, args...)...)
	}
	line("table", "%s, %s", st.Table, st.State)
	from := ""
	if st.UsableFrom > 0 {
		from = fmt.Sprintf(", usable from %d on", st.UsableFrom)
	}
	line("schema", "%s%s; nodes are told %s; this program knows %d", orNone(st.Version), from, orNone(st.Told), st.Latest)
	for _, name := range slices.Sorted(maps.Keys(st.Families)) {
		line("family "+name, "%s", pairs(st.Families[name]))
	}
	if len(st.Attributes) > 0 {
		line("attributes", "%s", pairs(st.Attributes))
	}
	for _, server := range slices.Sorted(maps.Keys(st.Regions)) {
		at := server
		if at == "" {
			at = "no server"
		}
		line("regions", "%d at %s", st.Regions[server], at)
	}
	line("HBase", "%s, %s", st.HBase, count(st.Servers, "live region server"))
	if st.Lock != "" {
		line("migrating", "%s", st.Lock)
	}
	for _, a := range st.Pending {
		line("to do", "%s", a.Text)
	}
	if st.Refused != "" {
		line("refused", "%s", st.Refused)
	}
	return b.String()
}

func orNone(version int) string {
	if version == 0 {
		return "none"
	}
	return strconv.Itoa(version)
}

func pairs(m map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, name+"="+m[name])
	}
	return strings.Join(all, " ")
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
