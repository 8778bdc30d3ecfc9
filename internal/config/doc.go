// Package config holds the settings of `gopush serve`: their defaults, a strict
// reader for the YAML file, and the printing of a commented file. All problems
// of a file are reported at once, each with its line and what to do. The roles
// do not import this package: the assembly turns the settings into theirs.
package config
