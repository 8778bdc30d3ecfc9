// Package scale is the arithmetic of docs/scale.md: what one operation costs, as it
// was measured, and how much of everything so many devices need. Its test holds the
// tables of that page to it.
//
// It measures nothing, and nothing that serves uses it.
package scale
