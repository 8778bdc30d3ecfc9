package arch

import "testing"

func TestUnprovenFindsViolations(t *testing.T) {
	const head = "# Page\n\n| area | what | tests |\n|---|---|---|\n"
	others := []File{{"comet/a_test.go", "package comet\n\nfunc TestA(t *testing.T) {}\n\nfunc FuzzB(f *testing.F) {}\n"}, {"web/a_test.go", "package web\n\nfunc TestC(t *testing.T) {}\n"}}
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"one":            {head + "| x | a `code` | `comet`: TestA |\n", nil},
		"several":        {head + "| x | y | `comet`: TestA, FuzzB; `web`: TestC |\n", nil},
		"none":           {head + "| x | y |  |\n", []string{"security-tests.md:5: \"\" names no test"}},
		"words":          {head + "| x | y | by hand |\n", []string{"names no test"}},
		"missing":        {head + "| x | y | `comet`: TestA, TestC |\n", []string{"comet has no TestC"}},
		"missing folder": {head + "| x | y | `hbase`: TestA |\n", []string{"hbase has no TestA"}},
		"part of a name": {head + "| x | y | `comet`: Test |\n", []string{"names no test"}},
		"two tables":     {head + "| x | y | `comet`: TestA |\n\n" + head + "| x | y | nothing |\n", []string{"md:11: \"nothing\""}},
		"no row":         {head, []string{"has no row"}},
		"no page":        {"", []string{"has no row"}},
	} {
		t.Run(name, func(t *testing.T) { planted(t, Unproven(append(others, File{SecurityPage, tt.text})), tt.want...) })
	}
}

// TestUnproven: every property of the security checklist has tests, and they exist.
func TestUnproven(t *testing.T) { none(t, Unproven(tree(t))) }

func TestUnboundedFindsViolations(t *testing.T) {
	const all = "ReadHeaderTimeout: 1, ReadTimeout: 1, WriteTimeout: 1, IdleTimeout: 1"
	for text, want := range map[string][]string{
		"var s = &http.Server{" + all + ", MaxHeaderBytes: 1}": nil,
		"var s = http.Server{" + all + "}":                     {"a.go:2:9: an http.Server without MaxHeaderBytes"},
		"var s = &grpc.Server{}":                               nil,
		"var s = http.Client{}":                                nil,
		"func f() { go serve(&http.Server{}) }":                {"ReadHeaderTimeout", "ReadTimeout", "WriteTimeout", "IdleTimeout", "MaxHeaderBytes"},
	} {
		planted(t, Unbounded([]File{{"web/a.go", "package web\n" + text}, {"web/a_test.go", "package web\nvar s http.Server{}"}}), want...)
	}
}

// TestUnbounded: every HTTP server has all four timeouts, and a bound for its headers.
func TestUnbounded(t *testing.T) { none(t, Unbounded(tree(t))) }
