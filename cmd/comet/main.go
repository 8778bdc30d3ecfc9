// Command comet runs the comet role in a process of its own. gopush serve runs all roles
// in one.
package main

import (
	"os"

	"gopush/internal/command"
	"gopush/internal/serve"
)

func main() {
	os.Exit(command.Role{Name: "comet", Roles: serve.Comet, Help: "Keeps the connections of devices, and gives their messages ids and order."}.Main())
}
