// Package pages reads the documentation as a program has to: its fenced blocks, what each
// command is to be run against and what it has to print, and the names that a page uses.
// Tests run the commands and hold the names to the code. The package itself runs nothing, and
// renders nothing.
package pages
