package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A command is how a part is started: kept in a file, so that it can be started again the same way.
type process struct {
	Name        string   `json:"name"`
	Arguments   []string `json:"arguments"`
	Environment []string `json:"environment"`
	Health      string   `json:"health"`
}

// identity tells a process from a later one with the same number.
type identity struct {
	Pid   int    `json:"pid"`
	Start string `json:"start"`
}

func (s *Stack) processFile(name string) string { return s.run("processes", name+".json") }
func (s *Stack) pidFile(name string) string     { return s.run("processes", name+".pid") }
func (s *Stack) logFile(name string) string     { return s.run("logs", name+".log") }

// launch starts a process in a session of its own, unless it runs already.
func (s *Stack) launch(p process) error {
	if _, ok := s.running(p.Name); ok {
		return nil
	}
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(s.processFile(p.Name), data); err != nil {
		return err
	}
	if err := os.MkdirAll(s.run("logs"), 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(s.logFile(p.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	work := s.run("data", p.Name)
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	command := exec.Command(p.Arguments[0], p.Arguments[1:]...)
	command.Dir = work
	// Nothing of the caller's settings decides how a part behaves.
	command.Env = append([]string{"HOME=" + work, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, p.Environment...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("%s does not start: %w", p.Name, err)
	}
	id := identity{Pid: command.Process.Pid, Start: startOf(command.Process.Pid)}
	data, err = json.Marshal(id)
	if err != nil {
		return err
	}
	// Reaped while the launcher lives; after that init is its parent.
	go func() { _ = command.Wait() }()
	return writeFile(s.pidFile(p.Name), data)
}

// running is the process of a part, if it lives.
func (s *Stack) running(name string) (int, bool) {
	data, err := os.ReadFile(s.pidFile(name))
	if err != nil {
		return 0, false
	}
	var id identity
	if json.Unmarshal(data, &id) != nil {
		return 0, false
	}
	start := startOf(id.Pid)
	return id.Pid, start != "" && start == id.Start
}

// startOf is when a process began, in ticks since boot; empty if there is none or it is a zombie.
func startOf(pid int) string {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	// The name in parentheses may hold spaces.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// end stops a part: SIGTERM, ten seconds, SIGKILL.
func (s *Stack) end(name string) error {
	pid, ok := s.running(name)
	if !ok {
		return s.forget(name)
	}
	// A stopped process hears nothing.
	_ = syscall.Kill(pid, syscall.SIGCONT)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%s (process %d) cannot be stopped: %w", name, pid, err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if _, ok := s.running(name); !ok {
			return s.forget(name)
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for range 600 {
		if _, ok := s.running(name); !ok {
			return s.forget(name)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s (process %d) outlives SIGKILL", name, pid)
}

func (s *Stack) forget(name string) error {
	err := os.Remove(s.pidFile(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// signal is a fault on demand.
func (s *Stack) signal(verb, name string) error {
	if verb == "start" {
		data, err := os.ReadFile(s.processFile(name))
		if err != nil {
			return fmt.Errorf("%s was never started here: run 'launcher up' first", name)
		}
		var p process
		if err := json.Unmarshal(data, &p); err != nil {
			return fmt.Errorf("%s: %w", s.processFile(name), err)
		}
		if err := s.launch(p); err != nil {
			return err
		}
		return s.wait(p)
	}
	pid, ok := s.running(name)
	if !ok {
		return fmt.Errorf("%s does not run", name)
	}
	signals := map[string]syscall.Signal{
		"kill": syscall.SIGKILL, "stop": syscall.SIGTERM, "pause": syscall.SIGSTOP, "resume": syscall.SIGCONT,
	}
	return syscall.Kill(pid, signals[verb])
}

// tail is the end of a part's log, for messages.
func (s *Stack) tail(name string) string {
	data, err := os.ReadFile(s.logFile(name))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n  ")
}

// writeFile replaces a file in one step.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
