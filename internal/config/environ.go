package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// prefix begins every variable of gopush.
const prefix = "GOPUSH_"

// short are variables with names of their own, beside those made from the path.
var short = map[string]string{
	"GOPUSH_STORE": "store.kind", "GOPUSH_COORDINATION": "coordination.kind",
	"GOPUSH_ZOOKEEPER": "store.zookeeper", "GOPUSH_ZNODE_PARENT": "store.znode_parent", "GOPUSH_TABLE": "store.table",
}

// variable is the name of the variable for a setting, or the beginning of those of a section.
func variable(path string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// injected is what Kubernetes gives every container for a service; one that is called
// gopush-web gives GOPUSH_WEB_SERVICE_HOST and GOPUSH_WEB_PORT_8090_TCP_ADDR.
var injected = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

// Env takes settings from variables, each as NAME=VALUE. An empty one counts as not
// given. One that begins like those of a section, and is none of its settings, is a
// problem; all others are not looked at.
func (d *Draft) Env(environ []string) {
	given := make(map[string]string)
	for _, entry := range environ {
		if name, text, _ := strings.Cut(entry, "="); strings.HasPrefix(name, prefix) && strings.TrimSpace(text) != "" {
			given[name] = text
		}
	}
	known := make(map[string]field)
	for _, f := range d.fields {
		known[variable(f.path)] = f
	}
	for name, path := range short {
		known[name], _ = d.fields.find(path)
	}
	setBy := make(map[string]string) // path to variable
	for _, name := range slices.Sorted(maps.Keys(given)) {
		f, ok := known[name]
		if !ok {
			d.stranger(name, slices.Sorted(maps.Keys(known)))
			continue
		}
		if other, twice := setBy[f.path]; twice {
			d.complain(Source{Name: name}, f.path, "%s sets it already; remove one of them", other)
			continue
		}
		setBy[f.path] = name
		d.set(Source{Name: name}, f, given[name])
	}
}

// stranger complains of a variable that looks like one of a section.
func (d *Draft) stranger(name string, known []string) {
	if injected.MatchString(name) {
		return
	}
	for _, f := range d.fields {
		section, _, nested := strings.Cut(f.path, ".")
		if own := variable(section) + "_"; nested && strings.HasPrefix(name, own) {
			// All of another section would be a long list.
			known = slices.DeleteFunc(known, func(k string) bool { return !strings.HasPrefix(k, own) })
			d.complain(Source{Name: name}, "", "%s", unknown(name, known))
			return
		}
	}
}
