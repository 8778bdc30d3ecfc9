package arch

import (
	"regexp"
	"slices"
)

var (
	target    = regexp.MustCompile(`(?m)^([a-z][a-z-]*):(?:[^=\n]|$)`)
	described = regexp.MustCompile(`(?m)^([a-z][a-z-]*):.*?## \S`)
)

// Undescribed reports every target of a Makefile that `make help` would not
// list: the list is made from the "## text" behind a target's name.
func Undescribed(makefile string) []string {
	var bad, good []string
	for _, m := range described.FindAllStringSubmatch(makefile, -1) {
		good = append(good, m[1])
	}
	for _, m := range target.FindAllStringSubmatch(makefile, -1) {
		if !slices.Contains(good, m[1]) {
			bad = append(bad, "the target "+m[1]+" has no ## text")
		}
	}
	return bad
}
