package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A binary is what is built of a module beside this one (tests/stack/parts).
type binary struct {
	name, module, pkg string
	// What the linker writes into it.
	stamp string
	flags []string
}

const kubernetes = "v1.35.4"

// The release that parts/prometheus names, as Prometheus counts them.
const prometheusRelease = "3.16.0"

// The heaviest is last: what came before can be used meanwhile.
var binaries = []binary{
	{"etcd", "etcd", "go.etcd.io/etcd/server/v3", "", nil},
	{"kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", stamp(), nil},
	{"kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", stamp(), nil},
	{"kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", stamp(), nil},
	{"kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", "", nil},
	// Without the discoveries of every cloud, which this Prometheus has no use for.
	{"prometheus", "prometheus", "github.com/prometheus/prometheus/cmd/prometheus",
		"-X github.com/prometheus/common/version.Version=" + prometheusRelease, []string{"-tags=remove_all_sd"}},
	// Its main package is called kwok as well.
	{"karpenter-kwok", "karpenter", "sigs.k8s.io/karpenter/kwok", "", nil},
	{"keda-operator", "keda", "github.com/kedacore/keda/v2/cmd/operator", "", nil},
	{"keda-adapter", "keda", "github.com/kedacore/keda/v2/cmd/adapter", "", nil},
}

// stamp is the release that /version tells: a build of a module knows none by itself.
func stamp() string {
	parts := strings.Split(strings.TrimPrefix(kubernetes, "v"), ".")
	var flags string
	for _, where := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += fmt.Sprintf(" -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s",
			where, kubernetes, where, parts[0], where, parts[1])
	}
	return flags
}

// build makes what is missing or of another release than its module says.
func (s *Stack) build(names []string) error {
	sources, err := sources()
	if err != nil {
		return err
	}
	for _, b := range binaries {
		if len(names) > 0 && !slices.Contains(names, b.name) {
			continue
		}
		target := s.bin(b.name)
		module := filepath.Join(sources, "parts", b.module)
		if current(target, filepath.Join(module, "go.sum")) {
			continue
		}
		started := time.Now()
		fmt.Fprintf(os.Stderr, "stack: building %s\n", b.name)
		arguments := append([]string{"build", "-mod=readonly", "-o", target, "-ldflags=-s -w " + b.stamp}, b.flags...)
		command := exec.Command("go", append(arguments, b.pkg)...)
		command.Dir = module
		command.Stdout, command.Stderr = os.Stderr, os.Stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("%s does not build: %w", b.name, err)
		}
		fmt.Fprintf(os.Stderr, "stack: built %s in %.0f s\n", b.name, time.Since(started).Seconds())
	}
	if len(names) == 0 || slices.Contains(names, "moto") {
		return s.buildMoto(filepath.Join(sources, "parts", "moto", "requirements.txt"))
	}
	return nil
}

// buildMoto installs moto's server into a virtual environment.
func (s *Stack) buildMoto(requirements string) error {
	environment := s.bin("moto")
	if newer(filepath.Join(environment, "bin", "moto_server"), requirements) {
		return nil
	}
	fmt.Fprintln(os.Stderr, "stack: installing moto")
	for _, arguments := range [][]string{
		{"python3", "-m", "venv", environment},
		{filepath.Join(environment, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", requirements},
	} {
		command := exec.Command(arguments[0], arguments[1:]...)
		command.Stdout, command.Stderr = os.Stderr, os.Stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("moto does not install: %w", err)
		}
	}
	now := time.Now()
	return os.Chtimes(filepath.Join(environment, "bin", "moto_server"), now, now)
}

// moduleDir is where Go keeps the files of a part's main module: its CRDs are read from there.
func moduleDir(part, module string) (string, error) {
	sources, err := sources()
	if err != nil {
		return "", err
	}
	// Also where the programs were kept and Go's modules were not.
	command := exec.Command("go", "mod", "download", "-json", module)
	command.Dir = filepath.Join(sources, "parts", part)
	out, err := command.Output()
	var found struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &found)
	}
	if err != nil || found.Dir == "" {
		return "", fmt.Errorf("the files of %s are not there: run 'just stack-build'", module)
	}
	return found.Dir, nil
}

// sources is tests/stack: the folder that this module's folder lies in.
func sources() (string, error) {
	if dir := os.Getenv("SCALETWIN_STACK_SOURCES"); dir != "" {
		return dir, nil
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		candidate := filepath.Join(dir, "tests", "stack")
		if _, err := os.Stat(filepath.Join(candidate, "parts", "etcd", "go.mod")); err == nil {
			return candidate, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("run this inside the repository: tests/stack/parts is not above %s", here)
		}
	}
}

// current tells whether a program was built of the release that a go.sum names: Go writes it into the program.
func current(program, sums string) bool {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return false
	}
	data, err := os.ReadFile(sums)
	if err != nil {
		return false
	}
	line := fmt.Sprintf("%s %s %s", info.Main.Path, info.Main.Version, info.Main.Sum)
	return info.Main.Sum != "" && slices.Contains(strings.Split(string(data), "\n"), line)
}

func newer(file, than string) bool {
	a, err := os.Stat(file)
	if err != nil {
		return false
	}
	b, err := os.Stat(than)
	return err == nil && a.ModTime().After(b.ModTime())
}
