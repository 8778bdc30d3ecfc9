package doctor

import (
	"fmt"
	"slices"
)

// Verdict is how much a finding matters.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Note    Verdict = "note"    // worth knowing; it may be meant
	Unknown Verdict = "unknown" // it cannot be seen from here
	Wrong   Verdict = "wrong"
)

// Finding is the outcome of one check.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Seen    string  `json:"seen"`
	Fix     string  `json:"fix,omitempty"` // what to do, or how to find out
}

// Report is all findings, in the order of the checks.
type Report struct {
	Findings []Finding `json:"findings"`
	Healthy  bool      `json:"healthy"` // nothing is wrong
}

func report(findings []Finding) Report {
	return Report{findings, !slices.ContainsFunc(findings, func(f Finding) bool { return f.Verdict == Wrong })}
}

// about makes findings of one check.
type about string

func (check about) ok(format string, args ...any) Finding {
	return Finding{Check: string(check), Verdict: OK, Seen: fmt.Sprintf(format, args...)}
}

func (check about) say(v Verdict, fix, format string, args ...any) Finding {
	return Finding{Check: string(check), Verdict: v, Seen: fmt.Sprintf(format, args...), Fix: fix}
}
