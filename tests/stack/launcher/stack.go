package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Stack is everything under one folder outside the repository.
type Stack struct {
	home  string
	ports ports
}

// ports that this run uses: the usual ones where they are free, others where not.
type ports struct {
	Etcd, EtcdPeer, APIServer, ControllerManager, Scheduler int
	Kwok, Prometheus, Emulator, Moto                        int
	KedaMetrics, KedaHealth, KedaService                    int
	KedaAdapter, KedaAdapterMetrics                         int
	KarpenterMetrics, KarpenterHealth                       int
}

func usualPorts() ports {
	return ports{
		Etcd: 2379, EtcdPeer: 2380, APIServer: 6443, ControllerManager: 10257, Scheduler: 10259,
		Kwok: 10247, Prometheus: 9090, Emulator: 9105, Moto: 5000,
		KedaMetrics: 8380, KedaHealth: 8381, KedaService: 9666, KedaAdapter: 6444, KedaAdapterMetrics: 8382,
		KarpenterMetrics: 8480, KarpenterHealth: 8481,
	}
}

func home() (string, error) {
	if dir := os.Getenv("SCALETWIN_STACK"); dir != "" {
		return filepath.Abs(dir)
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("set SCALETWIN_STACK to the folder of the stack: %w", err)
	}
	return filepath.Join(user, ".cache", "scaletwin", "stack"), nil
}

func (s *Stack) bin(name string) string { return filepath.Join(s.home, "bin", name) }

func (s *Stack) run(names ...string) string {
	return filepath.Join(append([]string{s.home, "run"}, names...)...)
}

// choosePorts keeps those of a running stack, or looks for free ones.
func (s *Stack) choosePorts() error {
	file := s.run("ports.json")
	if data, err := os.ReadFile(file); err == nil {
		return json.Unmarshal(data, &s.ports)
	}
	chosen := usualPorts()
	var held []net.Listener
	defer func() {
		for _, listener := range held {
			listener.Close()
		}
	}()
	for _, port := range chosen.all() {
		// Some parts can only listen on every address: the port must be free on all.
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", *port))
		if err != nil {
			if listener, err = net.Listen("tcp", ":0"); err != nil {
				return err
			}
			*port = listener.Addr().(*net.TCPAddr).Port
		}
		held = append(held, listener)
	}
	s.ports = chosen
	data, err := json.MarshalIndent(chosen, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(file, data)
}

func (p *ports) all() []*int {
	return []*int{
		&p.Etcd, &p.EtcdPeer, &p.APIServer, &p.ControllerManager, &p.Scheduler, &p.Kwok, &p.Prometheus, &p.Emulator,
		&p.Moto, &p.KedaMetrics, &p.KedaHealth, &p.KedaService, &p.KedaAdapter, &p.KedaAdapterMetrics,
		&p.KarpenterMetrics, &p.KarpenterHealth,
	}
}

// up starts what does not run, in the order in which each needs the one before.
func (s *Stack) up(rehearsal string, names []string) error {
	wanted, err := s.wanted(names)
	if err != nil {
		return err
	}
	if err := s.keepRehearsal(rehearsal); err != nil {
		return err
	}
	if err := s.choosePorts(); err != nil {
		return err
	}
	if err := makeCertificates(s.run("pki")); err != nil {
		return err
	}
	for _, identity := range identities {
		if err := writeKubeconfig(s.run("pki"), identity, s.ports.APIServer); err != nil {
			return err
		}
	}
	if err := s.writeEnvironment(); err != nil {
		return err
	}
	for _, part := range wanted {
		started := time.Now()
		if part.before != nil {
			if err := part.before(s); err != nil {
				return fmt.Errorf("before %s: %w", part.name, err)
			}
		}
		process, err := part.process(s)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		_, ran := s.running(part.name)
		if err := s.launch(process); err != nil {
			return err
		}
		if err := s.wait(process); err != nil {
			return err
		}
		if part.after != nil {
			if err := part.after(s); err != nil {
				return fmt.Errorf("after %s: %w", part.name, err)
			}
		}
		if !ran {
			fmt.Fprintf(os.Stderr, "stack: %s is up (%.1f s)\n", part.name, time.Since(started).Seconds())
		}
	}
	return nil
}

// wanted are the named parts, in order; all of them by default.
func (s *Stack) wanted(names []string) ([]part, error) {
	var problems []string
	for _, name := range names {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			problems = append(problems, fmt.Sprintf("there is no part %q: %s", name, partNames()))
		}
	}
	var wanted []part
	for _, part := range parts {
		if len(names) > 0 && !slices.Contains(names, part.name) {
			continue
		}
		wanted = append(wanted, part)
		if _, err := os.Stat(s.bin(part.binary)); err != nil {
			problems = append(problems, fmt.Sprintf("%s is not built: run 'just stack-build'", part.name))
		}
	}
	if problems != nil {
		return nil, errors.New(strings.Join(problems, "\n"))
	}
	return wanted, nil
}

// wait until a part's health address says yes.
func (s *Stack) wait(p process) error {
	if p.Health == "" {
		return nil
	}
	return s.waitFor(p.Name, 90*time.Second, func() bool { return healthy(p.Health) })
}

func (s *Stack) waitFor(name string, limit time.Duration, ready func() bool) error {
	deadline := time.Now().Add(limit)
	for !ready() {
		if _, alive := s.running(name); !alive {
			return fmt.Errorf("%s ended; its log (%s) ends with\n  %s", name, s.logFile(name), s.tail(name))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s; its log (%s) ends with\n  %s", name, limit, s.logFile(name), s.tail(name))
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// down stops everything in reverse order: with etcd gone the API server hears no SIGTERM.
func (s *Stack) down() error {
	var problems []error
	for _, part := range slices.Backward(parts) {
		if err := s.end(part.name); err != nil {
			problems = append(problems, err)
		}
	}
	if problems != nil {
		return errors.Join(problems...)
	}
	// Only what 'up' has written.
	return os.RemoveAll(s.run())
}

// keepRehearsal copies what the scenario says into the run's folder, for later starts of single parts.
func (s *Stack) keepRehearsal(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("--rehearsal: %w", err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return fmt.Errorf("--rehearsal: %w", err)
		}
		if err := writeFile(s.run("rehearsal", entry.Name()), data); err != nil {
			return err
		}
	}
	return nil
}

// environment is what a user of the stack needs to know.
type environment struct {
	Kubeconfig    string `json:"kubeconfig"`
	Prometheus    string `json:"prometheus"`
	EmulatorAddr  string `json:"emulator"`
	EC2           string `json:"ec2"`
	Authority     string `json:"certificateAuthority"`
	TokenKey      string `json:"serviceAccountKey"`
	Logs          string `json:"logs"`
	APIServerAddr string `json:"apiServer"`
}

func (s *Stack) writeEnvironment() error {
	data, err := json.MarshalIndent(environment{
		Kubeconfig:    s.run("pki", "admin.kubeconfig"),
		Prometheus:    fmt.Sprintf("http://127.0.0.1:%d", s.ports.Prometheus),
		EmulatorAddr:  fmt.Sprintf("127.0.0.1:%d", s.ports.Emulator),
		EC2:           fmt.Sprintf("http://127.0.0.1:%d", s.ports.Moto),
		Authority:     s.run("pki", "ca.crt"),
		TokenKey:      s.run("pki", "sa.key"),
		Logs:          s.run("logs"),
		APIServerAddr: fmt.Sprintf("https://127.0.0.1:%d", s.ports.APIServer),
	}, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(s.run("stack.json"), append(data, '\n'))
}

func (s *Stack) printEnvironment() error {
	data, err := os.ReadFile(s.run("stack.json"))
	if err != nil {
		return errors.New("no stack runs: 'just stack-up' starts one")
	}
	_, err = os.Stdout.Write(data)
	return err
}
