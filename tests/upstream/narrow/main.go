// Program narrow makes a copy of an upstream module, outside the repository, that holds what an oracle runs
// and opens unexported functions to it, and builds the oracle with that copy.
//
//	narrow VERSION-MODULE WORK-DIR BINARY
//
// VERSION-MODULE/_narrow/narrow.json says what stays and what is added; all that is added is ours. The copy lies
// in WORK-DIR, beside the go.mod that names it, and is made anew each time. (`go build -overlay` cannot do it: it
// refuses files of the module cache.)
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Package says what becomes of one upstream package.
type Package struct {
	// Path within the module.
	Path string
	// Keep: the only files that stay; all of them if it is absent.
	Keep []string
	// Add: directories whose files are added, as seen from narrow.json.
	Add []string
	// Cases: in files that hold a `switch` over names with one `return` each, the cases that stay.
	Cases map[string][]string
}

// Spec is narrow.json.
type Spec struct {
	Module string
	// Roots: the directories that are copied.
	Roots    []string
	Packages []Package
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: narrow VERSION-MODULE WORK-DIR BINARY")
		os.Exit(2)
	}
	if err := build(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "narrow:", err)
		os.Exit(2)
	}
}

func build(version, work, binary string) error {
	for _, path := range []*string{&version, &work, &binary} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	here := filepath.Join(version, "_narrow")
	text, err := os.ReadFile(filepath.Join(here, "narrow.json"))
	if err != nil {
		return err
	}
	var spec Spec
	if err := json.Unmarshal(text, &spec); err != nil {
		return fmt.Errorf("%s/narrow.json: %w", here, err)
	}
	copied := filepath.Join(work, "module")
	if err := os.RemoveAll(copied); err != nil {
		return err
	}
	root, err := find(version, spec.Module)
	if err != nil {
		return err
	}
	if err := copyModule(root, copied, here, spec); err != nil {
		return err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(version, name))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		if name == "go.mod" {
			text = fmt.Appendf(text, "\nreplace %s => %s\n", spec.Module, copied)
		}
		if err := os.WriteFile(filepath.Join(work, name), text, 0o644); err != nil {
			return err
		}
	}
	// Without paths in it, what is built here is found in the cache from elsewhere too.
	return run(version, "go", "build", "-mod=mod", "-trimpath", "-p", "2", "-modfile", filepath.Join(work, "go.mod"), "-o", binary, ".")
}

func run(dir string, command ...string) error {
	it := exec.Command(command[0], command[1:]...)
	it.Dir, it.Stdout, it.Stderr = dir, os.Stderr, os.Stderr
	return it.Run()
}

// find downloads the pinned version of a module and says where it lies.
func find(version, module string) (string, error) {
	list := exec.Command("go", "list", "-mod=mod", "-m", "-f", "{{.Path}}@{{.Version}}", module)
	list.Dir, list.Stderr = version, os.Stderr
	pinned, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("which version of %s: %w", module, err)
	}
	download := exec.Command("go", "mod", "download", "-json", strings.TrimSpace(string(pinned)))
	download.Dir, download.Stderr = version, os.Stderr
	text, err := download.Output()
	if err != nil {
		return "", fmt.Errorf("downloading %s: %w", pinned, err)
	}
	var found struct{ Dir string }
	return found.Dir, errorsFirst(json.Unmarshal(text, &found), &found.Dir)
}

func errorsFirst(err error, dir *string) error {
	if err == nil && *dir == "" {
		err = fmt.Errorf("go mod download names no directory")
	}
	return err
}

func copyModule(root, copied, here string, spec Spec) error {
	packages := map[string]Package{}
	for _, one := range spec.Packages {
		packages[one.Path] = one
	}
	for _, top := range spec.Roots {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			if entry.IsDir() {
				if entry.Name() == "testdata" {
					return filepath.SkipDir
				}
				return os.MkdirAll(filepath.Join(copied, relative), 0o755)
			}
			return copyFile(path, filepath.Join(copied, relative), packages[filepath.Dir(relative)])
		})
		if err != nil {
			return err
		}
	}
	for _, one := range spec.Packages {
		for _, directory := range one.Add {
			if err := add(filepath.Join(here, directory), filepath.Join(copied, one.Path)); err != nil {
				return err
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(copied, "go.mod"), text, 0o644)
}

// add puts a directory's files into a package.
func add(from, to string) error {
	added, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil {
		return err
	}
	if len(added) == 0 {
		return fmt.Errorf("%s: nothing to add", from)
	}
	for _, file := range added {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, "oracle_"+filepath.Base(file)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string, part Package) error {
	name := filepath.Base(from)
	source := strings.HasSuffix(name, ".go")
	switch {
	case strings.HasSuffix(name, "_test.go"):
		return nil
	case source && part.Keep != nil && !slices.Contains(part.Keep, name):
		return nil
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if cases := part.Cases[name]; cases != nil {
		text = onlyCases(text, cases)
	}
	return os.WriteFile(to, text, 0o644)
}

var oneCase = regexp.MustCompile(`(?m)^\tcase ("[^\n]*"):\n\t\treturn [^\n]*\n`)
var name = regexp.MustCompile(`"([^"]*)"`)

// onlyCases leaves out each case none of whose names stays.
func onlyCases(text []byte, names []string) []byte {
	return oneCase.ReplaceAllFunc(text, func(found []byte) []byte {
		for _, one := range name.FindAllSubmatch(oneCase.FindSubmatch(found)[1], -1) {
			if slices.Contains(names, string(one[1])) {
				return found
			}
		}
		return nil
	})
}
