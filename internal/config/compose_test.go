package config

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestCompose: the files of docker/config, with what compose.yaml puts over them for each
// service, are settings that are allowed; and no file is left that no service has.
//
// Broken once by a slip in a name of comet.yaml, and once by one in a --set.
func TestCompose(t *testing.T) {
	const dir = "../../docker"
	text, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// As compose does, where nobody gives the variable.
	text = regexp.MustCompile(`\$\{\w+:-([^}]*)\}`).ReplaceAll(text, []byte("$1"))
	var compose struct {
		Services map[string]struct {
			Command     []string
			Environment map[string]string
		}
	}
	// What a service has goes over what it takes from an anchor.
	if err := yaml.UnmarshalWithOptions(text, &compose, yaml.AllowDuplicateMapKey()); err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for name, service := range compose.Services {
		at := slices.Index(service.Command, "--config")
		if at < 0 {
			continue
		}
		file := filepath.Join(dir, "config", filepath.Base(service.Command[at+1]))
		used[file] = true
		d := NewDraft()
		d.File(file)
		for variable, value := range service.Environment {
			d.Env([]string{variable + "=" + value})
		}
		for i, arg := range service.Command {
			if arg == "--set" {
				path, value, _ := strings.Cut(service.Command[i+1], "=")
				d.Flag(arg, path, value)
			}
		}
		if _, err := d.Serve(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "config", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(used)); len(files) == 0 || !slices.Equal(got, files) {
		t.Errorf("services have %v of the files %v", got, files)
	}
}
