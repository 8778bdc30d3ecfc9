// Package promtest holds the settings of Prometheus and Grafana to what the cluster really
// exposes: rules and their unit tests through promtool, every query of a rule or dashboard
// through a real Prometheus that scrapes a cluster. It has only tests, and starts no
// container. Prometheus is Debian's package of that name.
package promtest
