package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A binary is what is built of a module beside this one (tests/stack/parts), whose go.mod alone says which release.
type binary struct {
	name, module, pkg string
	// What the linker writes into it, given the release of the package's module: a build of a module knows none by
	// itself.
	stamp func(release string) string
	flags []string
}

// The heaviest is last: what came before can be used meanwhile.
var binaries = []binary{
	{"etcd", "etcd", "go.etcd.io/etcd/server/v3", nil, nil},
	{"kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", kubernetesStamp, nil},
	{"kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", kubernetesStamp, nil},
	{"kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", kubernetesStamp, nil},
	{"kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", nil, nil},
	// Without the discoveries of every cloud, which this Prometheus has no use for.
	{"prometheus", "prometheus", "github.com/prometheus/prometheus/cmd/prometheus", prometheusStamp,
		[]string{"-tags=remove_all_sd"}},
	// Its main package is called kwok as well.
	{"karpenter-kwok", "karpenter", "sigs.k8s.io/karpenter/kwok", nil, nil},
	{"keda-operator", "keda", "github.com/kedacore/keda/v2/cmd/operator", nil, nil},
	{"keda-adapter", "keda", "github.com/kedacore/keda/v2/cmd/adapter", nil, nil},
}

// kubernetesStamp is what /version tells.
func kubernetesStamp(release string) string {
	parts := strings.Split(strings.TrimPrefix(release, "v"), ".")
	var flags string
	for _, where := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += fmt.Sprintf(" -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s",
			where, release, where, parts[0], where, parts[1])
	}
	return flags
}

// prometheusStamp is what /api/v1/status/buildinfo tells. Prometheus 3.16.0 is the module's v0.316.0.
func prometheusStamp(release string) string {
	if parts := strings.Split(release, "."); len(parts) == 3 && parts[0] == "v0" && len(parts[1]) == 3 {
		minor := strings.TrimPrefix(parts[1][1:], "0")
		if minor == "" {
			minor = "0"
		}
		release = parts[1][:1] + "." + minor + "." + parts[2]
	}
	return "-X github.com/prometheus/common/version.Version=" + release
}

// errAbsent says that what a part is made of cannot be had here: no network, no proxy, too old a Go, no Python. A part
// that is there and does not build is another matter.
var errAbsent = errors.New("cannot be had here")

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
		release, err := b.fetch(module)
		if err != nil {
			return err
		}
		linker := "-ldflags=-s -w "
		if b.stamp != nil {
			linker += b.stamp(release)
		}
		command := exec.Command("go", b.arguments("build", "-o", target, linker)...)
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

// arguments of the go command, about the package.
func (b binary) arguments(verb string, more ...string) []string {
	arguments := append([]string{verb, "-mod=readonly"}, more...)
	return append(append(arguments, b.flags...), b.pkg)
}

// fetch brings the sources of all that is built, and tells the release of the package's module.
func (b binary) fetch(module string) (string, error) {
	command := exec.Command("go", b.arguments("list", "-deps", "-f", "{{if not .DepOnly}}{{.Module.Version}}{{end}}")...)
	command.Dir, command.Stderr = module, os.Stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("the sources of %s %w: %w", b.name, errAbsent, err)
	}
	return strings.TrimSpace(string(out)), nil
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
			return fmt.Errorf("moto %w: %w", errAbsent, err)
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
