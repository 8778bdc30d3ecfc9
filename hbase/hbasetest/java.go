package hbasetest

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// java starts Java programs with the jars of one folder.
type java struct {
	path       string // of the program "java"
	lib        string // the folder of the jars
	throughput bool
}

// opens are what Hadoop and HBase reach into by reflection.
var opens = []string{
	"java.lang", "java.nio", "sun.nio.ch", "java.util", "java.util.concurrent", "java.io", "jdk.internal.ref",
}

func findJava() (string, error) {
	path, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("no Java: install a runtime of version 17 (Debian: openjdk-17-jre-headless): %w", err)
	}
	return path, nil
}

func (j *java) flags(heap string) []string {
	flags := []string{
		"-Xmx" + heap, "-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError",
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

// command runs a class with a configuration folder.
func (j *java) command(conf, heap, class string, args ...string) *exec.Cmd {
	all := append(j.flags(heap), "-cp", conf+":"+filepath.Join(j.lib, "*"), class)
	return exec.Command(j.path, append(all, args...)...) //nolint:noctx // it lives as long as the stack
}
