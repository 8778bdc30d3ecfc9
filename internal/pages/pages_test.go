package pages

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"gopush/internal/config"
)

func all(t *testing.T) []Page {
	t.Helper()
	found, err := All("../..")
	if err != nil || len(found) < 20 {
		t.Fatalf("%d pages, %v", len(found), err)
	}
	return found
}

// Every block of commands says how it is run, or why it is not.
//
// Broken once by taking a mark away.
func TestMarks(t *testing.T) {
	for _, p := range all(t) {
		if _, err := p.Blocks(); err != nil {
			t.Error(err)
		}
	}
}

// What is shown as JSON is JSON, and what is shown as YAML are settings that are read strictly.
//
// Broken once by a comma, and once by a slip in the name of a setting.
func TestExamplesParse(t *testing.T) {
	for _, p := range all(t) {
		for _, f := range p.Fences() {
			var err error
			switch f.Lang {
			case "json":
				err = parseJSON(f.Text)
			case "yaml":
				d := config.NewDraft()
				d.Bytes(p.Path, []byte(f.Text))
				_, err = d.Values()
			}
			if err != nil {
				t.Errorf("%s:%d: %v", p.Path, f.Line, err)
			}
		}
	}
}

// parseJSON takes values one after the other, with comments in lines of their own.
func parseJSON(text string) error {
	dec := json.NewDecoder(strings.NewReader(regexp.MustCompile(`(?m)^//.*$`).ReplaceAllString(text, "")))
	for {
		var v any
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// docs/README.md has each page once, with a sentence, and README.md leads to it.
//
// Broken once by a page that it does not have.
func TestIndex(t *testing.T) {
	pages := all(t)
	const index = "docs/README.md"
	var text string
	for _, p := range pages {
		if p.Path == index {
			text = p.Text
		}
	}
	if !strings.Contains(pages[0].Text, "("+index+")") {
		t.Errorf("README.md has no link to %s", index)
	}
	for _, p := range pages {
		link := strings.TrimPrefix(p.Path, "docs/")
		if path.Dir(p.Path) == "." {
			link = "../" + p.Path
		}
		if p.Path == index {
			continue
		}
		line := regexp.MustCompile(`(?m)\[[^\]]+\]\(` + regexp.QuoteMeta(link) + `\).* \S+ \S`)
		if n := len(line.FindAllString(text, -1)); n != 1 {
			t.Errorf("%s has %d lines about %s, want one", index, n, link)
		}
	}
}

func TestBlocks(t *testing.T) {
	page := Page{"a.md", "# x\n<!-- test: serve -->\n```sh\necho 1\n```\ntext\n<!-- not run: too long -->\n```sh\nlong\n```\n" +
		"1. x\n   <!-- test: alone until='live now' expect='\"a\":1' expect='b' stays -->\n   ```sh\n   b\n   c\n   ```\n\n   ```json\n   {\"a\":\n    1}\n   ```\n"}
	got, err := page.Blocks()
	want := []Block{
		{Line: 3, Script: "echo 1\n", Needs: "serve"},
		{Line: 8, Script: "long\n", Reason: "too long"},
		{Line: 13, Script: "b\nc\n", Needs: "alone", Expect: []string{`"a":1`, "b"}, Until: "live now", Stays: true, Shown: []Shown{{Text: `{"a":1}`}}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{
		"```sh\nx\n```\n", "<!-- test: serve -->\n\n```sh\nx\n```\n", "<!-- test: serve -->\n```bash\nx\n```\n", "<!-- not run: -->\n```sh\nx\n```\n",
		"<!-- test: serve what='x' -->\n```sh\nx\n```\n", "<!-- test: serve expect=x -->\n```sh\nx\n```\n", "<!-- test: other -->\n```sh\nx\n```\n",
		"<!-- test: serve stays -->\n```sh\nx\n```\n", "<!-- test: serve -->\ntext\n",
	} {
		if got, err := (Page{"a.md", bad}).Blocks(); err == nil {
			t.Errorf("%q is taken for %+v", bad, got)
		}
	}
}

func TestShown(t *testing.T) {
	got := shownIn("curl x\n# 201 {\"id\":\"1\"}\ncurl y   # {\"no\":1}\n# {\"a\":1,\n#   \"b\":2}\n# prose\n#  more\n")
	want := []Shown{{Status: "201", Text: `{"id":"1"}`}, {Text: `{"a":1,"b":2}`}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	const one, two = "17953750178989536", "17953750178989552"
	ids := make(IDs)
	for i, tt := range []struct {
		shown  Shown
		output string
		bad    string
	}{
		{Shown{"201", `{"id":"` + one + `","n":7}`}, "{\"id\":\"100000000000000016\",\"n\":812.5}\nHTTP 201\n", ""},
		{Shown{"", `{"id":"` + one + `",...}`}, `{"id":"100000000000000016","more":true}`, ""},
		{Shown{"", `{"id":"` + one + `"}`}, `{"id":"100000000000000032"}`, "not in the output"},
		{Shown{"", `{"id":"` + two + `","next":"` + two + `"}`}, `{"id":"100000000000000032","next":"100000000000000048"}`, "twice"},
		{Shown{"201", `{}`}, "{}\nHTTP 200\n", "status 201"},
		{Shown{"", `{"a":"x"}`}, `{"a":"y"}`, "not in the output"},
	} {
		err := ids.Find(tt.shown, tt.output)
		if tt.bad == "" != (err == nil) || !strings.Contains(fmt.Sprint(err), tt.bad) {
			t.Errorf("%d: %v, want %q", i, err, tt.bad)
		}
	}
	if got := ids.In("x/" + one + "/y"); got != "x/100000000000000016/y" {
		t.Errorf("a text with an id is %q", got)
	}
	b := Block{Script: "# 409 conflict"}
	if got := b.Unexpected("HTTP 200\nHTTP 409\nHTTP 404\n"); !reflect.DeepEqual(got, []string{"404"}) {
		t.Errorf("unexpected are %q", got)
	}
}

func FuzzBlocks(f *testing.F) {
	f.Add("<!-- test: serve -->\n```sh\necho\n# 201 {\"id\":\"17953750178989536\"}\n```\n")
	f.Add("<!-- test: serve until='x' -->\n```sh\n")
	f.Add("<!-- test:")
	f.Add("  ```json\n```\n\n```")
	f.Fuzz(func(t *testing.T, text string) {
		p := Page{"a.md", text}
		p.Prose()
		blocks, err := p.Blocks()
		if err != nil {
			return
		}
		for _, b := range blocks {
			if b.Needs == "" == (b.Reason == "") {
				t.Errorf("%+v is neither run nor not run", b)
			}
			for _, s := range b.Shown {
				_ = make(IDs).Find(s, text)
			}
		}
	})
}
