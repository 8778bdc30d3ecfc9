// Command message runs the message role in a process of its own. gopush serve runs all roles
// in one.
package main

import (
	"os"

	"gopush/internal/command"
	"gopush/internal/serve"
)

func main() {
	os.Exit(command.Role{Name: "message", Roles: serve.Message, Help: "Stores and reads messages for the other roles."}.Main())
}
