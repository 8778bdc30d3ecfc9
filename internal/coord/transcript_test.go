package coord

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/push"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// TestTranscripts runs the commands of each file ("> " and a verb) and compares
// what the machines say with what is written there. With -update it writes it.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(b))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(b), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("(-file +now)\n%s", diff)
			}
		})
	}
}

// replay keeps comments and commands, and puts what happens now after each
// command.
func replay(t *testing.T, text string) string {
	w := newWorld()
	var out strings.Builder
	w.log = func(line string) { out.WriteString(line + "\n") }
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		command, ok := strings.CutPrefix(line, "> ")
		if !ok && !strings.HasPrefix(line, "#") && line != "" {
			continue // what happened then
		}
		out.WriteString(line + "\n")
		if ok {
			w.command(t, strings.Fields(command))
		}
	}
	return out.String()
}

func (w *world) proc(name string) *proc {
	for _, p := range w.procs {
		if p.name == name {
			return p
		}
	}
	return w.add(name, Config{RemoveAfter: time.Minute})
}

// command carries out one line: the verb, and what it is about.
func (w *world) command(t *testing.T, words []string) {
	t.Helper()
	p := w.proc("-")
	w.procs = slices.DeleteFunc(w.procs, func(o *proc) bool { return o.name == "-" })
	if len(words) > 1 && words[0] != "pass" {
		p = w.proc(words[1])
	}
	number := func(i int) int {
		n, err := strconv.Atoi(words[i])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	switch words[0] {
	case "connect":
		p.connect()
	case "campaign": // process id group weight
		p.campaign(words[2], words[3], number(4))
	case "leave":
		p.tell(Leave{ID: words[2]})
	case "raise": // process id seconds above the ceiling
		p.tell(Raise{ID: words[2], To: p.terms[words[2]].ceiling + ids(time.Duration(number(3))*time.Second)})
	case "confirm":
		p.tell(Confirm{ID: words[2], Version: p.view.PendingVersion})
	case "register":
		p.tell(Register{ID: words[2], Addr: words[3]})
	case "unregister":
		p.tell(Unregister{ID: words[2]})
	case "remove":
		p.tell(Remove{Group: words[2]})
	case "ask": // process id
		for i := range w.candidates {
			if w.candidates[i].ID == words[2] {
				w.candidates[i].Asked = true
			}
		}
		w.changed("candidates")
	case "expire":
		p.expire()
	case "notice":
		p.notice()
	case "step": // process seconds
		p.skew += ids(time.Duration(number(2)) * time.Second)
	case "unknown", "lost": // process: the next thing that was asked ends so
		p.perform(0, Unknown, words[0] == "lost")
	case "until": // process verb: it is the next thing that the process asks
		for len(p.asked) == 0 || !strings.HasPrefix(describe(p.asked[0].action), words[2]) {
			busy := false
			for _, o := range w.procs {
				busy = o.work() || busy
			}
			if !busy {
				t.Fatalf("%s never asks for %s", p.name, words[2])
			}
		}
	case "wipe": // what is kept is lost
		w.candidates, w.ring = nil, SawRing{}
		clear(w.tenures)
		clear(w.ceilings)
	case "stuck":
		p.stuck = true
	case "unstuck":
		p.stuck = false
	case "arrive": // what was lost was only late
		p.arrive()
	case "run":
		w.run()
	case "quiet": // without the lines of what is asked, read and told
		w.quietly(func() { w.command(t, words[1:]) })
	case "pass":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			t.Fatal(err)
		}
		w.quietly(func() { w.pass(d) })
	default:
		t.Fatalf("unknown command %q", words)
	}
}

// quietly lets only what callers are told through.
func (w *world) quietly(f func()) {
	log := w.log
	defer func() { w.log = log }()
	who := ""
	w.log = func(line string) {
		if name, _, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, " ") {
			who = name
		}
		for _, verb := range []string{"won", "over", "failed", "asked", "floored", "confirmed", "publish"} {
			if strings.HasPrefix(line, "    "+verb+" ") {
				log(who + ": " + strings.TrimSpace(line))
			}
		}
	}
	f()
}

// describe is one line for an event or an action.
func describe(x any) string {
	switch x := x.(type) {
	case SawCandidates:
		s := "saw the line:"
		for _, c := range x.All {
			s += fmt.Sprintf(" %s=%s", c.Name, c.ID)
			if c.Own {
				s += "*"
			}
			if c.Asked {
				s += "!"
			}
		}
		return s
	case SawTenure:
		return fmt.Sprintf("saw tenure #%d: %s", x.Stamp, tenureText(x.Tenure))
	case SawCeiling:
		return fmt.Sprintf("saw ceiling #%d of %s: %s", x.Stamp, x.Group, idText(x.Ceiling))
	case SawRing:
		return fmt.Sprintf("saw ring #%d: %s", x.Stamp, ringText(x.Ring))
	case Answered:
		return fmt.Sprintf("%s: %s", strings.Fields(describe(x.Action))[0], []string{"done", "conflict", "unknown"}[x.Outcome])
	case Begin:
		return fmt.Sprintf("begin over #%d, ring #%d: %s, ceiling %s over #%d", x.Stamp, x.RingStamp, tenureText(x.Tenure), idText(x.Ceiling), x.CeilingStamp)
	case Amend:
		return fmt.Sprintf("amend #%d: %s", x.Stamp, tenureText(x.Tenure))
	case Lift:
		return fmt.Sprintf("lift %s to %s over #%d, tenure #%d", x.Group, idText(x.Ceiling), x.CeilingStamp, x.Stamp)
	case Rewrite:
		return fmt.Sprintf("rewrite #%d: %s", x.Stamp, ringText(x.Ring))
	case Won:
		return fmt.Sprintf("won %s: epoch %d, floor %s, ceiling %s", x.ID, x.Epoch, idText(x.Floor), idText(x.Ceiling))
	case Floored:
		return fmt.Sprintf("floored %s: %s", x.ID, idText(x.Floor))
	case Raised:
		return fmt.Sprintf("raised %s: %s", x.ID, idText(x.Ceiling))
	case Raise:
		return fmt.Sprintf("raise %s to %s", x.ID, idText(x.To))
	case Over:
		return fmt.Sprintf("over %s: %s", x.ID, x.Why)
	case Publish:
		return "publish " + viewText(x.View)
	default:
		name := strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", x), "coord."))
		return strings.TrimSpace(name + " " + strings.Trim(fmt.Sprintf("%+v", x), "{}"))
	}
}

// idText is an id as seconds after the beginning of the world.
func idText(id push.ID) string {
	if id < newWorld().wall/2 {
		return id.String()
	}
	return (time.Duration(id-newWorld().wall) * tick).String()
}

func tenureText(t Tenure) string {
	return fmt.Sprintf("%s %d %s above %s, confirmed %d", t.Member.Group, t.Epoch, t.Owner, idText(t.Floor), t.Confirmed)
}

func placesText(places []Place) string {
	var all []string
	for _, p := range places {
		s := fmt.Sprintf("%s/%d", p.Group, p.Weight)
		if p.Floor > 0 {
			s += ">" + idText(p.Floor)
		}
		all = append(all, s)
	}
	return "[" + strings.Join(all, " ") + "]"
}

func ringText(r Ring) string {
	s := fmt.Sprintf("version %d %s", r.Version, placesText(r.Places))
	if r.Next != 0 {
		s += fmt.Sprintf(", next %d %s", r.Next, placesText(r.NextPlaces))
	}
	if len(r.Removed) > 0 {
		s += fmt.Sprint(", removed ", r.Removed)
	}
	return s
}

func viewText(v *View) string {
	s := fmt.Sprintf("%d: ring %d", v.Version, v.RingVersion)
	if v.PendingVersion != 0 {
		s += fmt.Sprintf(", pending %d", v.PendingVersion)
	}
	for _, name := range slices.Sorted(maps.Keys(v.Groups)) {
		g := v.Groups[name]
		s += fmt.Sprintf(", %s epoch %d", name, g.Epoch)
		if !g.Serving {
			s += " does not serve"
		}
	}
	for _, n := range v.Nodes {
		s += fmt.Sprintf(", %s %s", n.ID, n.Role)
		if n.Asked {
			s += " asked to hand over"
		}
	}
	if len(v.Messages) > 0 {
		s += fmt.Sprint(", messages ", v.Messages)
	}
	return s
}
