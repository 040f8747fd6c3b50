package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// What the stack says itself: objects, stages, configuration.
//
//go:embed files
var files embed.FS

// render fills in one of the embedded files.
func (s *Stack) render(name string) ([]byte, error) {
	text, err := files.ReadFile("files/" + name)
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(s.pki("ca.crt"))
	if err != nil {
		return nil, err
	}
	parsed, err := template.New(name).Delims("<<", ">>").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]any{"ports": s.ports, "authority": base64(authority)})
	return out.Bytes(), err
}

// fromRehearsal is a file that 'scaletwin live kwok' has written.
func (s *Stack) fromRehearsal(name string) ([]byte, error) {
	data, err := os.ReadFile(s.run("rehearsal", name))
	if os.IsNotExist(err) {
		return nil, fmt.Errorf("%s is missing: name the folder that 'scaletwin live kwok' wrote with --rehearsal", name)
	}
	return data, err
}

func (s *Stack) writePrometheusConfig() error {
	data, err := s.fromRehearsal("prometheus.yml")
	if err != nil {
		return err
	}
	// The emulator listens where a port was free.
	data = bytes.ReplaceAll(data, []byte("127.0.0.1:9105"), fmt.Appendf(nil, "127.0.0.1:%d", s.ports.Emulator))
	return writeFile(s.run("data", "prometheus.yml"), data)
}

func (s *Stack) writeStages() error {
	if err := s.applyFile("kwok.objects.yaml"); err != nil {
		return err
	}
	data, err := s.fromRehearsal("kwok.yaml")
	if err != nil {
		return err
	}
	return writeFile(s.run("data", "kwok.yaml"), data)
}

// createNodes makes the machines that no autoscaler makes: those of the managed node groups.
func (s *Stack) createNodes() error {
	data, err := s.fromRehearsal("nodes.json")
	if err != nil {
		return err
	}
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("nodes.json: %w", err)
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	for _, node := range list.Items {
		if err := client.create("/api/v1/nodes", node); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) applyKeda() error {
	if err := s.applyDefinitions("keda", "github.com/kedacore/keda/v2", "config/crd/bases"); err != nil {
		return err
	}
	return s.applyFile("keda.yaml")
}

func (s *Stack) applyKarpenter() error {
	// The chart's carry the provider's labels; its link to the node class's is no file of the module.
	for _, folder := range []string{"kwok/charts/crds", "kwok/apis/crds"} {
		if err := s.applyDefinitions("karpenter", "sigs.k8s.io/karpenter", folder); err != nil {
			return err
		}
	}
	return s.applyFile("karpenter.yaml")
}

// applyDefinitions applies the CRDs of a module, from its own files, and waits until they are served.
func (s *Stack) applyDefinitions(part, module, folder string) error {
	dir, err := moduleDir(part, module)
	if err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(dir, folder, "*.yaml"))
	if err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	applied := 0
	for _, file := range found {
		// GROUP_PLURAL.yaml holds PLURAL.GROUP.
		group, plural, ok := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".yaml"), "_")
		if !ok {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		path := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + plural + "." + group
		if err := client.apply(path, data); err != nil {
			return err
		}
		established := func() bool { return client.conditionTrue(path, "Established") }
		if err := s.waitFor("kube-apiserver", 30*time.Second, established); err != nil {
			return err
		}
		applied++
	}
	if applied == 0 {
		return fmt.Errorf("%s has no CRD in %s", module, folder)
	}
	return nil
}

// applyFile applies the documents of an embedded file. The first line of each says where it goes: "# PATH".
func (s *Stack) applyFile(name string) error {
	data, err := s.render(name)
	if err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	for document := range strings.SplitSeq(string(data), "\n---\n") {
		first, _, _ := strings.Cut(strings.TrimSpace(document), "\n")
		path, ok := strings.CutPrefix(first, "# /")
		if !ok {
			return fmt.Errorf("%s: a document does not begin with '# /PATH'", name)
		}
		if err := client.apply("/"+path, []byte(document)); err != nil {
			return err
		}
	}
	return nil
}
