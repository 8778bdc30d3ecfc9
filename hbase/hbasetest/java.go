package hbasetest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// java starts Java programs with the jars of one folder.
type java struct {
	path       string // of the program "java"
	classPath  string // the jars; a configuration folder is added to them
	throughput bool
}

// minJava is the version that this was tried with; older ones lack some of the
// flags below.
const minJava = 17

const installJava = "install a Java runtime of version 17 (Debian: openjdk-17-jre-headless)"

// newJava finds Java. The jars are named one by one and in order: "lib/*" would
// take them in the order of the folder, and some classes are in several jars.
func newJava(ctx context.Context, lib string, want map[string]string, throughput bool) (*java, error) {
	path, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("no Java to run HBase with, %s: %w", installJava, err)
	}
	out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s -version: %w: %s", path, err, out)
	}
	if version := javaVersion(string(out)); version < minJava {
		return nil, fmt.Errorf("%s is Java %d, which is too old for this, %s", path, version, installJava)
	}
	var jars []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		jars = append(jars, filepath.Join(lib, name))
	}
	return &java{path: path, classPath: strings.Join(jars, ":"), throughput: throughput}, nil
}

var quotedVersion = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// javaVersion reads the major version from what java -version prints; 0: it is
// not there.
func javaVersion(printed string) int {
	m := quotedVersion.FindStringSubmatch(printed)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

// opens are what Hadoop and HBase reach into by reflection.
var opens = []string{
	"java.lang", "java.nio", "sun.nio.ch", "java.util", "java.util.concurrent", "java.io", "jdk.internal.ref",
}

// flags start quickly and run small, which is most of what a test needs: the
// first compiler alone, and the collector with the fewest threads.
//
// An archive of the classes (-XX:SharedArchiveFile) was tried: it saves a
// quarter of the processor time of a start, which is 4 s, for 140 MB on disk,
// 20 s to make it, and 200 MB more of memory.
func (j *java) flags(heap string) []string {
	flags := []string{
		"-Xmx" + heap, "-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError",
		// Libraries are unpacked there, and stay when the process is killed.
		"-Djava.io.tmpdir=tmp",
		"-Djava.net.preferIPv4Stack=true",
		"--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
		"--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
	}
	for _, pkg := range opens {
		flags = append(flags, "--add-opens=java.base/"+pkg+"=ALL-UNNAMED")
	}
	if !j.throughput {
		flags = append(flags, "-XX:TieredStopAtLevel=1")
	}
	return flags
}

// command runs a class with a configuration folder, in a folder that has a
// folder tmp. The end of ctx kills it.
func (j *java) command(ctx context.Context, dir, conf, heap, class string, args ...string) *exec.Cmd {
	all := append(j.flags(heap), "-cp", conf+":"+j.classPath, class)
	cmd := exec.CommandContext(ctx, j.path, append(all, args...)...)
	cmd.Dir = dir
	// Each of many threads would get a heap of its own for what is not Java's.
	cmd.Env = append(os.Environ(), "MALLOC_ARENA_MAX=2")
	return cmd
}
