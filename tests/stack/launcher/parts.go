package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A part of the stack: how its process is started, and what has to be done before and after.
type part struct {
	name, binary  string
	process       func(*Stack) (process, error)
	before, after func(*Stack) error
}

// parts in the order in which they start.
var parts = []part{
	{"etcd", "etcd", etcd, nil, nil},
	{"kube-apiserver", "kube-apiserver", apiServer, nil, nil},
	{"kube-controller-manager", "kube-controller-manager", controllerManager, nil, (*Stack).awaitAccount},
	{"kube-scheduler", "kube-scheduler", scheduler, nil, nil},
	{"moto", filepath.Join("moto", "bin", "moto_server"), moto, nil, nil},
	{"prometheus", "prometheus", prometheus, (*Stack).writePrometheusConfig, nil},
	{"kwok", "kwok", kwok, (*Stack).writeStages, (*Stack).createNodes},
	{"keda-operator", "keda-operator", kedaOperator, (*Stack).applyKeda, nil},
	{"keda-adapter", "keda-adapter", kedaAdapter, nil, (*Stack).awaitExternalMetrics},
	{"karpenter", "karpenter-kwok", karpenter, (*Stack).applyKarpenter, nil},
}

func partNames() string {
	var names []string
	for _, part := range parts {
		names = append(names, part.name)
	}
	return strings.Join(names, ", ")
}

// identities that have a kubeconfig.
var identities = []string{"admin", "controller-manager", "scheduler", "kwok", "karpenter", "keda"}

func (s *Stack) pki(file string) string            { return s.run("pki", file) }
func (s *Stack) kubeconfig(identity string) string { return s.pki(identity + ".kubeconfig") }

// settings are what the scenario says about the flags of the parts.
type settings struct {
	// Flags by part, as --name=value.
	Flags map[string][]string `json:"flags"`
	// Environment by part, as NAME=value.
	Environment map[string][]string `json:"environment"`
}

func (s *Stack) settings() (settings, error) {
	var said settings
	data, err := os.ReadFile(s.run("rehearsal", "settings.json"))
	if os.IsNotExist(err) {
		return said, nil
	}
	if err != nil {
		return said, err
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return said, fmt.Errorf("settings.json of the rehearsal: %w", err)
	}
	return said, nil
}

// command completes a process with what the scenario says.
func (s *Stack) command(name, binary string, health string, arguments, environment []string) (process, error) {
	said, err := s.settings()
	if err != nil {
		return process{}, err
	}
	arguments = append(append([]string{s.bin(binary)}, arguments...), said.Flags[name]...)
	environment = append(environment, said.Environment[name]...)
	return process{Name: name, Arguments: arguments, Environment: environment, Health: health}, nil
}

func etcd(s *Stack) (process, error) {
	client := fmt.Sprintf("http://127.0.0.1:%d", s.ports.Etcd)
	peer := fmt.Sprintf("http://127.0.0.1:%d", s.ports.EtcdPeer)
	return s.command("etcd", "etcd", client+"/health", []string{
		"--name=stack", "--data-dir=" + s.run("data", "etcd", "store"), "--log-level=warn",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=stack=" + peer,
		// The data is thrown away with the stack.
		"--unsafe-no-fsync",
	}, nil)
}

func apiServer(s *Stack) (process, error) {
	port := s.ports.APIServer
	health := fmt.Sprintf("https://127.0.0.1:%d/readyz", port)
	return s.command("kube-apiserver", "kube-apiserver", health, []string{
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", s.ports.Etcd),
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port), "--advertise-address=127.0.0.1",
		// Endpoints refuse addresses of the loopback range.
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + s.pki("apiserver.crt"), "--tls-private-key-file=" + s.pki("apiserver.key"),
		"--client-ca-file=" + s.pki("ca.crt"), "--cert-dir=" + s.run("data", "kube-apiserver"),
		"--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC", "--allow-privileged=true",
		// With routing by endpoints an ExternalName Service could not lead to the adapter.
		"--enable-aggregator-routing=false",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + s.pki("sa.pub"), "--service-account-signing-key-file=" + s.pki("sa.key"),
		"--requestheader-client-ca-file=" + s.pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client", "--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + s.pki("front-proxy-client.crt"),
		"--proxy-client-key-file=" + s.pki("front-proxy-client.key"),
	}, nil)
}

func controllerManager(s *Stack) (process, error) {
	config := s.kubeconfig("controller-manager")
	health := fmt.Sprintf("https://127.0.0.1:%d/healthz", s.ports.ControllerManager)
	return s.command("kube-controller-manager", "kube-controller-manager", health, []string{
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", s.ports.ControllerManager),
		"--cert-dir=" + s.run("data", "kube-controller-manager"), "--leader-elect=false",
		"--use-service-account-credentials=true", "--service-account-private-key-file=" + s.pki("sa.key"),
		"--root-ca-file=" + s.pki("ca.crt"),
	}, nil)
}

func scheduler(s *Stack) (process, error) {
	config := s.kubeconfig("scheduler")
	health := fmt.Sprintf("https://127.0.0.1:%d/healthz", s.ports.Scheduler)
	return s.command("kube-scheduler", "kube-scheduler", health, []string{
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", s.ports.Scheduler),
		"--cert-dir=" + s.run("data", "kube-scheduler"), "--leader-elect=false",
	}, nil)
}

func moto(s *Stack) (process, error) {
	address := fmt.Sprintf("http://127.0.0.1:%d", s.ports.Moto)
	return s.command("moto", filepath.Join("moto", "bin", "moto_server"), address+"/moto-api/data.json", []string{
		"-H", "127.0.0.1", "-p", fmt.Sprint(s.ports.Moto),
	}, []string{"MOTO_EC2_LOAD_DEFAULT_AMIS=false"})
}

func prometheus(s *Stack) (process, error) {
	address := fmt.Sprintf("127.0.0.1:%d", s.ports.Prometheus)
	return s.command("prometheus", "prometheus", "http://"+address+"/-/ready", []string{
		"--config.file=" + s.run("data", "prometheus.yml"), "--storage.tsdb.path=" + s.run("data", "prometheus", "store"),
		"--web.listen-address=" + address, "--storage.tsdb.retention.time=1d", "--web.enable-lifecycle",
	}, nil)
}

func kwok(s *Stack) (process, error) {
	address := fmt.Sprintf("127.0.0.1:%d", s.ports.Kwok)
	return s.command("kwok", "kwok", "http://"+address+"/healthz", []string{
		"--kubeconfig=" + s.kubeconfig("kwok"), "--config=" + s.run("data", "kwok.yaml"),
		// Its own range starts where the Services' does.
		"--cidr=10.64.0.0/14", "--node-ip=127.0.0.1", "--node-lease-duration-seconds=40",
		"--manage-all-nodes=true", "--server-address=" + address,
	}, []string{"KWOK_WORKDIR=" + s.run("data", "kwok")})
}

func kedaEnvironment(s *Stack) []string {
	return []string{
		"KUBECONFIG=" + s.kubeconfig("keda"), "WATCH_NAMESPACE=", "POD_NAMESPACE=keda", "KEDA_CLUSTER_OBJECT_NAMESPACE=keda",
	}
}

func kedaOperator(s *Stack) (process, error) {
	health := fmt.Sprintf("http://127.0.0.1:%d/readyz", s.ports.KedaHealth)
	return s.command("keda-operator", "keda-operator", health, []string{
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", s.ports.KedaMetrics),
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", s.ports.KedaHealth),
		fmt.Sprintf("--metrics-service-bind-address=127.0.0.1:%d", s.ports.KedaService),
		"--cert-dir=" + s.pki("keda-certs"), "--enable-cert-rotation=false", "--leader-elect=false", "--zap-log-level=info",
	}, kedaEnvironment(s))
}

func kedaAdapter(s *Stack) (process, error) {
	config, certificates := s.kubeconfig("keda"), s.pki("keda-certs")
	health := fmt.Sprintf("https://127.0.0.1:%d/healthz", s.ports.KedaAdapter)
	return s.command("keda-adapter", "keda-adapter", health, []string{
		fmt.Sprintf("--secure-port=%d", s.ports.KedaAdapter), "--bind-address=127.0.0.1",
		// Its own metrics: this address cannot be chosen, only the port.
		fmt.Sprintf("--port=%d", s.ports.KedaAdapterMetrics),
		fmt.Sprintf("--metrics-service-address=127.0.0.1:%d", s.ports.KedaService),
		"--cert-dir=" + certificates, "--tls-cert-file=" + filepath.Join(certificates, "tls.crt"),
		"--tls-private-key-file=" + filepath.Join(certificates, "tls.key"), "--client-ca-file=" + s.pki("ca.crt"),
		"--lister-kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
	}, kedaEnvironment(s))
}

func karpenter(s *Stack) (process, error) {
	health := fmt.Sprintf("http://127.0.0.1:%d/readyz", s.ports.KarpenterHealth)
	environment := []string{
		"KUBECONFIG=" + s.kubeconfig("karpenter"), "DISABLE_LEADER_ELECTION=true", "LOG_LEVEL=debug",
		fmt.Sprintf("METRICS_PORT=%d", s.ports.KarpenterMetrics),
		fmt.Sprintf("HEALTH_PROBE_PORT=%d", s.ports.KarpenterHealth),
	}
	types := s.run("rehearsal", "instance-types.json")
	if _, err := os.Stat(types); err == nil {
		environment = append(environment, "INSTANCE_TYPES_FILE_PATH="+types)
	}
	return s.command("karpenter", "karpenter-kwok", health, nil, environment)
}

// awaitAccount waits for what pods are refused without.
func (s *Stack) awaitAccount() error {
	client, err := s.client()
	if err != nil {
		return err
	}
	return s.waitFor("kube-controller-manager", 60*time.Second, func() bool {
		return client.exists("/api/v1/namespaces/default/serviceaccounts/default")
	})
}

func (s *Stack) awaitExternalMetrics() error {
	client, err := s.client()
	if err != nil {
		return err
	}
	return s.waitFor("keda-adapter", 60*time.Second, func() bool {
		return client.conditionTrue("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io", "Available")
	})
}
