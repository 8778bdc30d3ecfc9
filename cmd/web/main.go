// Command web runs the web role in a process of its own. gopush serve runs all roles
// in one.
package main

import (
	"os"

	"gopush/internal/command"
	"gopush/internal/serve"
)

func main() {
	os.Exit(command.Role{Name: "web", Roles: serve.Web, Help: "Answers HTTP: node lookup, stored messages, pushes and administration."}.Main())
}
