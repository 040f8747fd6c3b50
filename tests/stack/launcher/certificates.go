package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// An authority signs leaves.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// leaf is what a certificate is for.
type leaf struct {
	file           string
	name           string
	organizations  []string
	server, client bool
	dnsNames       []string
	addresses      []net.IP
}

// makeCertificates writes two authorities, their leaves, and the key pair of service-account tokens.
func makeCertificates(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "sa.pub")); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	cluster, err := newAuthority(dir, "ca", "scaletwin-stack")
	if err != nil {
		return err
	}
	frontProxy, err := newAuthority(dir, "front-proxy-ca", "scaletwin-stack-front-proxy")
	if err != nil {
		return err
	}
	loopback := net.IPv4(127, 0, 0, 1)
	leaves := []leaf{
		{
			file: "apiserver", name: "kube-apiserver", server: true,
			dnsNames:  []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
			addresses: []net.IP{loopback, net.IPv4(10, 0, 0, 1)},
		},
		{file: "admin", name: "stack-admin", organizations: []string{"system:masters"}, client: true},
		{file: "controller-manager", name: "system:kube-controller-manager", client: true},
		{file: "scheduler", name: "system:kube-scheduler", client: true},
		{file: "kwok", name: "kwok", client: true},
		{file: "karpenter", name: "karpenter", client: true},
		{
			file: "keda", name: "keda", server: true, client: true,
			dnsNames:  []string{"keda-metrics-apiserver.keda.svc", "localhost"},
			addresses: []net.IP{loopback},
		},
	}
	for _, leaf := range leaves {
		if err := cluster.sign(dir, leaf); err != nil {
			return err
		}
	}
	proxy := leaf{file: "front-proxy-client", name: "front-proxy-client", client: true}
	if err := frontProxy.sign(dir, proxy); err != nil {
		return err
	}
	if err := kedaFolder(dir); err != nil {
		return err
	}
	return tokenKeys(dir)
}

// kedaFolder is the folder that operator and adapter read their mutual TLS from.
func kedaFolder(dir string) error {
	folder := filepath.Join(dir, "keda-certs")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for from, to := range map[string]string{"ca.crt": "ca.crt", "keda.crt": "tls.crt", "keda.key": "tls.key"} {
		data, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, to), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func tokenKeys(dir string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	private := x509.MarshalPKCS1PrivateKey(key)
	if err := writePEM(filepath.Join(dir, "sa.key"), "RSA PRIVATE KEY", private); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, "sa.pub"), "PUBLIC KEY", public)
}

func newAuthority(dir, file, name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{certificate, key}, writePEM(filepath.Join(dir, file+".crt"), "CERTIFICATE", der)
}

func (a *authority) sign(dir string, leaf leaf) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: leaf.name, Organization: leaf.organizations},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		DNSNames:     leaf.dnsNames,
		IPAddresses:  leaf.addresses,
	}
	if leaf.server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if leaf.client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, leaf.file+".key"), "PRIVATE KEY", private); err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, leaf.file+".crt"), "CERTIFICATE", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// writeKubeconfig writes the kubeconfig of one identity, with the certificates inside: it can be copied.
func writeKubeconfig(dir, identity string, port int) error {
	encode := func(file string) (string, error) {
		data, err := os.ReadFile(filepath.Join(dir, file))
		return base64(data), err
	}
	authority, err := encode("ca.crt")
	if err != nil {
		return err
	}
	certificate, err := encode(identity + ".crt")
	if err != nil {
		return err
	}
	key, err := encode(identity + ".key")
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: stack
clusters:
  - name: stack
    cluster:
      server: https://127.0.0.1:%d
      certificate-authority-data: %s
contexts:
  - name: stack
    context: {cluster: stack, user: %s}
users:
  - name: %s
    user:
      client-certificate-data: %s
      client-key-data: %s
`, port, authority, identity, identity, certificate, key)
	return os.WriteFile(filepath.Join(dir, identity+".kubeconfig"), []byte(text), 0o600)
}
