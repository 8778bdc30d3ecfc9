// Package composetest brings docker/compose.yaml up as a project of its own, hits every
// service under load, proves that nothing acknowledged was lost, and takes it all down. It
// talks to Docker through its command line alone. Load and proof are those of internal/e2e;
// what it adds is what only containers have: health, networks, and what is left behind.
//
// The test itself has the build tag compose, as it needs Docker: make compose-test.
package composetest
