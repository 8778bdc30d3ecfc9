// Package arch holds the rules that this source tree keeps: which package may
// import which, who may use which third-party module, how long files and
// functions may get, that every package says what it is for, that links in the
// documentation lead somewhere, and which words never appear.
//
// Each rule is a function from its input to a list of violations, so that its
// test shows two things: a planted violation is found, and the tree has none.
// The package is not part of the product and says nothing about what the code
// does when it runs.
package arch
