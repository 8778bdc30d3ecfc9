package e2e

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"gopush/internal/serve"
)

// asBuilt runs the program itself as an operator does, without the race detector: what it
// takes of memory and time is what it takes elsewhere.
type asBuilt struct {
	path  string   // of the program
	set   []string // settings, NAME=VALUE
	env   []string // more variables
	files uint64   // its limit of open files; 0: this process's
	disk  *disk    // what its data folder is on; nil: as the rest
}

// buildProgram builds gopush.
func buildProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gopush")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "gopush/cmd/gopush")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make and the image build it
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// begin starts it; see Options.Begin.
func (b *asBuilt) begin(c *Cluster) (process, Addrs, error) {
	data := filepath.Join(c.Dir(), "data")
	var words []string
	if b.disk != nil {
		data, words = filepath.Join(b.disk.dir, "data"), b.disk.enter()
	}
	words = append(words, os.Args[0], b.path, "serve", "--data", data, "--ports-from", "0", "--json")
	for _, s := range b.set {
		words = append(words, "--set", s)
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(append(os.Environ(), limitEnv+"="+strconv.FormatUint(b.files, 10)), b.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return run(cmd, filepath.Join(c.Dir(), "log"))
}

// run starts the command and waits for the addresses in its banner.
func run(cmd *exec.Cmd, logFile string) (process, Addrs, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, Addrs{}, err
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, Addrs{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, Addrs{}, err
	}
	if err := cmd.Start(); err != nil {
		return nil, Addrs{}, err
	}
	p := &child{cmd: cmd, stdin: in, exited: make(chan error, 1)}
	var banner struct {
		Addresses serve.Addrs
		Token     string
	}
	said := bufio.NewReader(out)
	err = json.NewDecoder(said).Decode(&banner)
	go func() {
		_, _ = io.Copy(io.Discard, said) // to its end; Wait closes it
		p.exited <- cmd.Wait()
	}()
	if err != nil {
		return nil, Addrs{}, errors.Join(fmt.Errorf("it ended before it served; its log is %s", logFile), <-p.exited)
	}
	return p, addrsOf(banner.Addresses, banner.Token), nil
}

// limitEnv makes this process another one, with as many files open at the most; 0: as many
// as this one.
const limitEnv = "GOPUSH_E2E_FILES"

// becomeOther runs the program in the arguments instead of the tests, if the environment
// says so.
func becomeOther() {
	text, ok := os.LookupEnv(limitEnv)
	if !ok {
		return
	}
	err := os.Unsetenv(limitEnv)
	most, parseErr := strconv.ParseUint(text, 10, 64)
	if err = errors.Join(err, parseErr); err == nil && most > 0 {
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: most, Max: most})
	}
	if err == nil {
		err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// resident is the memory of the cluster's process that is in use, and the most that it has
// been since the last call of forget, in bytes.
func resident(t *testing.T, c *Cluster) (now, most int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		to := map[string]*int64{"VmRSS": &now, "VmHWM": &most}[name]
		if to == nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		*to = n << 10
	}
	return now, cmp.Or(most, now)
}

// forget has the most that resident tells begin again.
func forget(t *testing.T, c *Cluster) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", c.Pid()), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}
