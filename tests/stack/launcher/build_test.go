package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReleasesAreToldAsTheirProjectsCountThem(t *testing.T) {
	for module, told := range map[string]string{
		"v0.316.0": "3.16.0", "v0.305.2": "3.5.2", "v0.300.1": "3.0.1", "v0.55.1": "v0.55.1", "v3.20.0": "v3.20.0",
	} {
		if stamp := prometheusStamp(module); !strings.HasSuffix(stamp, "version.Version="+told) {
			t.Errorf("%s: %s", module, stamp)
		}
	}
	stamp := kubernetesStamp("v1.35.4")
	for _, part := range []string{"gitVersion=v1.35.4", "gitMajor=1", "gitMinor=35"} {
		if strings.Count(stamp, part) != 2 {
			t.Errorf("%s in %s", part, stamp)
		}
	}
}

// A module of its own whose only package is there, and one whose package is not.
func TestWhatCannotBeHadIsNoBrokenBuild(t *testing.T) {
	module := t.TempDir()
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/part\n\ngo 1.24\n")
	write("main.go", "package main\n\nfunc main() { undefined() }\n")
	if release, err := (binary{name: "here", pkg: "."}).fetch(module); err != nil || release != "" {
		t.Errorf("%q, %v", release, err)
	}
	if _, err := (binary{name: "away", pkg: "example.com/away"}).fetch(module); !errors.Is(err, errAbsent) {
		t.Errorf("%v", err)
	}
}
