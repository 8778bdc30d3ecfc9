package composetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// The labels by which Docker Compose, of any version, marks what belongs to a project.
const (
	projectLabel = "com.docker.compose.project"
	serviceLabel = "com.docker.compose.service"
)

// commandTimeout bounds every command but those that build and start.
const commandTimeout = 3 * time.Minute

// command runs a program to its end and gives what it printed. An empty folder or
// environment is this process's own.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, lastLines(errs.String(), 20))
	}
	return out.String(), nil
}

// docker runs one command of Docker's.
func docker(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	return command(ctx, os.TempDir(), nil, "docker", args...)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// container is what is asked of docker inspect.
type container struct {
	ID     string `json:"Id"`
	Config struct{ Labels map[string]string }
	State  struct {
		Status   string
		ExitCode int
		Health   *health // nil: the service has no check
	}
	RestartCount int
}

// health is what the checks of a container have found.
type health struct {
	Status string
	Log    []struct {
		Start    time.Time
		ExitCode int
		Output   string
	}
}

func (c *container) service() string { return c.Config.Labels[serviceLabel] }

// containers lists those of a project; of one service, if it is named.
func containers(ctx context.Context, project, service string) ([]container, error) {
	args := []string{"ps", "-aq", "--no-trunc", "--filter", "label=" + projectLabel + "=" + project}
	if service != "" {
		args = append(args, "--filter", "label="+serviceLabel+"="+service)
	}
	ids, err := docker(ctx, args...)
	if err != nil || strings.TrimSpace(ids) == "" {
		return nil, err
	}
	text, err := docker(ctx, append([]string{"inspect", "--type", "container"}, strings.Fields(ids)...)...)
	if err != nil {
		return nil, err
	}
	return parseContainers(text)
}

func parseContainers(text string) ([]container, error) {
	var all []container
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("what docker inspect printed: %w", err)
	}
	return all, nil
}

// trouble says why a container is not as it should be; empty: it is. A service that is
// done once has ended well. Any other runs, and a check that began after since found it
// healthy: what was found before a fault tells nothing about the time after it.
func (c *container) trouble(since time.Time) string {
	if c.State.Health == nil || c.State.Health.Status == "none" { // a check that is switched off
		if c.State.Status == "exited" && c.State.ExitCode == 0 {
			return ""
		}
		return fmt.Sprintf("%s with exit code %d", c.State.Status, c.State.ExitCode)
	}
	h := c.State.Health
	if c.State.Status != "running" || h.Status != "healthy" {
		return fmt.Sprintf("%s, %s (%s)", c.State.Status, h.Status, h.last())
	}
	if n := len(h.Log); n == 0 || h.Log[n-1].Start.Before(since) {
		return "not checked since then"
	}
	return ""
}

func (h *health) last() string {
	if len(h.Log) == 0 {
		return "never checked"
	}
	last := h.Log[len(h.Log)-1]
	return fmt.Sprintf("exit code %d: %.300s", last.ExitCode, strings.Join(strings.Fields(last.Output), " "))
}

// leftovers lists everything of a project that Docker still has.
func leftovers(ctx context.Context, project string) ([]string, error) {
	label := "label=" + projectLabel + "=" + project
	var all []string
	for what, args := range map[string][]string{
		"container": {"ps", "-aq", "--filter", label},
		"network":   {"network", "ls", "-q", "--filter", label},
		"volume":    {"volume", "ls", "-q", "--filter", label},
	} {
		out, err := docker(ctx, args...)
		if err != nil {
			return all, err
		}
		for id := range strings.FieldsSeq(out) {
			all = append(all, what+" "+id)
		}
	}
	return all, nil
}
