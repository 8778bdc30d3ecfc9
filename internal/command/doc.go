// Package command is the command line of the processes that serve: their flags over
// the settings file, the life of the process from its first line to its last, and its
// exit code. All of them share it, whichever roles they run. It knows nothing of what
// a role does, and has no tools for people.
package command
