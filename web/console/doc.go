// Package console is the page on which a person sees gopush work: a pretend
// phone that can be switched off and on beside a form to push with, and what
// became of each message. The page is embedded as it was written: plain HTML,
// CSS and ES modules, nothing to build and nothing fetched from elsewhere.
//
// The package serves files and decides what they may do in a browser. It does
// not push, does not look nodes up, and checks no token: the page holds no
// secret, and what it asks for goes through the admin API like anybody else's
// requests.
package console
