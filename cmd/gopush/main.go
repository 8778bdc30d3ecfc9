// Command gopush is the binary that a person meets first: it serves, and it has
// the tools to push, listen and look. The tools talk to a server over its public
// and admin APIs alone; they would work the same against any other gopush.
//
// Exit codes: 0 done; 1 failed; 2 wrong usage or settings; 3 the server cannot
// be reached, or asks to try again later; 4 the server refuses the request as it
// is; 5 and 6 are what gopush bench found: a broken promise, or a rate that was not
// reached.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"gopush/internal/daemon"
)

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// commands is the command line; each field's type is in the file of its name.
type commands struct {
	JSON bool `help:"Write results and errors as JSON." name:"json"`

	Serve      serveCmd      `cmd:"" help:"Run comet, message and web in one process."`
	Push       pushCmd       `cmd:"" help:"Push one message to a key."`
	Listen     listenCmd     `cmd:"" help:"Print the messages of a key as they come."`
	Inbox      inboxCmd      `cmd:"" help:"Print the stored messages of a key."`
	Where      whereCmd      `cmd:"" help:"Show which node a key lives on."`
	Explain    explainCmd    `cmd:"" help:"Tell what has become of one message."`
	Top        topCmd        `cmd:"" help:"Show what the nodes do, and the busiest keys, again and again."`
	Token      tokenCmd      `cmd:"" help:"Make and check the signed tokens of clients."`
	Nodes      nodesCmd      `cmd:"" help:"List the nodes of the cluster."`
	Drain      drainCmd      `cmd:"" help:"Have the node that serves a group hand over to another."`
	Migrate    migrateCmd    `cmd:"" help:"Make or change the table on HBase."`
	Snapshot   snapshotCmd   `cmd:"" help:"Back the table on HBase up, and restore it."`
	Import     importCmd     `cmd:"" help:"Bring messages of other systems into the table on HBase."`
	Export     exportCmd     `cmd:"" help:"Bring messages of the table on HBase back to the system that they were imported from."`
	Moving     movingCmd     `cmd:"" help:"Show what a web node does with keys that are moved from gopush-cluster 1.0."`
	Health     healthCmd     `cmd:"" help:"Ask a process of any role whether it lives, and serves; for health checks."`
	Bench      benchCmd      `cmd:"" help:"Put load on a server, measure it, and prove that nothing is lost."`
	Doctor     doctorCmd     `cmd:"" help:"Look for what is wrong, with what to do about it."`
	Completion completionCmd `cmd:"" help:"Print the completion of command lines for a shell."`
	Version    versionCmd    `cmd:"" help:"Show the version."`
}

func main() {
	ctx, release := daemon.UntilSignal(context.Background(), func(s os.Signal) {
		fmt.Fprintf(os.Stderr, "gopush: %s again, ending at once\n", s)
		os.Exit(exitFailure)
	})
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	release()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, io streams) int {
	var cli commands
	helped := false
	app, err := kong.New(&cli, kong.Name("gopush"), kong.Writers(io.out, io.err),
		kong.Description("Durable real-time push: a device that is offline misses nothing.\n\n"+exitHelp()),
		// Kong ends the process itself after help. Here it only notes it, so that
		// a command line is a function.
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(io))
	if err != nil {
		fmt.Fprintln(io.err, "gopush:", err)
		return exitFailure
	}
	parsed, err := app.Parse(args)
	if helped {
		return exitOK
	}
	if err == nil {
		err = parsed.Run(&cli)
	} else {
		err = usage("%w; see gopush --help", err)
	}
	if err != nil && !errors.Is(err, errInterrupted) {
		report(io.err, err, cli.JSON)
	}
	return exitCode(err)
}
