package arch

import "testing"

func TestForbiddenFindsViolations(t *testing.T) {
	work := "/wor" + "k"
	tests := map[string]struct {
		file File
		want []string
	}{
		"clean":               {File{"a.md", "The work/life balance, ./work/x and https://go.dev are fine.\n"}, nil},
		"machine path":        {File{"a.md", "one\nsee " + work + "/main\n"}, []string{"a.md:2"}},
		"at the line's start": {File{"a.md", work + "/main"}, []string{"a.md:1"}},
		"scratch folder":      {File{"Makefile", "cp x /tmp/te" + "am/y"}, []string{"/tmp/te" + "am"}},
		"home":                {File{"a.go", "// /home/jo" + "/src"}, []string{"machine"}},
		"root's home":         {File{"a.go", "// /ro" + "ot/go"}, []string{"machine"}},
		"outside":             {File{"a.md", "../sha" + "red/x.md"}, []string{"outside the tree"}},
		"registry":            {File{".ci/run", "curl https://proxy.gol" + "ang.org/x"}, []string{"package registry"}},
		"choice of a proxy":   {File{"Makefile", "GOPRO" + "XY=direct go build"}, []string{"module proxy"}},
		"undone":              {File{"a.go", "// TO" + "DO: more"}, []string{"undone"}},
		"sleep":               {File{"a_test.go", "\ttime.Sle" + "ep(time.Second)"}, []string{"condition"}},
		"sleep in prose":      {File{"a.md", "no `time.Sle" + "ep(` here"}, nil},
		"skip":                {File{"a_test.go", "\tt.Ski" + "p(\"no\")"}, []string{"does not run"}},
		"skip of another":     {File{"a_test.go", "\tdec.Ski" + "p()"}, nil},
		"twice on two lines":  {File{"a.go", "// TO" + "DO\n// FIX" + "ME"}, []string{"a.go:1", "a.go:2"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { planted(t, Forbidden([]File{tt.file}, Words), tt.want...) })
	}
}

func TestForbidden(t *testing.T) { none(t, Forbidden(tree(t), Words)) }
