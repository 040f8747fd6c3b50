package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func sleeper(name string) process {
	return process{Name: name, Arguments: []string{"/bin/sleep", "600"}}
}

func TestAProcessIsStartedOnceAndEnded(t *testing.T) {
	stack := &Stack{home: t.TempDir()}
	if err := stack.launch(sleeper("a")); err != nil {
		t.Fatal(err)
	}
	first, ok := stack.running("a")
	if !ok {
		t.Fatal("it does not run")
	}
	if err := stack.launch(sleeper("a")); err != nil {
		t.Fatal(err)
	}
	if second, _ := stack.running("a"); second != first {
		t.Fatalf("it was started twice: %d, %d", first, second)
	}
	// A stopped process hears SIGTERM all the same.
	if err := stack.signal("pause", "a"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := stack.end("a"); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := stack.running("a"); ok {
		t.Fatal("it still runs")
	}
	if err := stack.signal("start", "a"); err != nil {
		t.Fatal(err)
	}
	defer stack.end("a")
	if third, ok := stack.running("a"); !ok || third == first {
		t.Fatalf("it was not started again: %d, %d", first, third)
	}
}

func TestANumberUsedAgainIsAnotherProcess(t *testing.T) {
	stack := &Stack{home: t.TempDir()}
	// Our own number, with another start.
	data := []byte(`{"pid":` + strconv.Itoa(os.Getpid()) + `,"start":"1"}`)
	if err := writeFile(stack.pidFile("a"), data); err != nil {
		t.Fatal(err)
	}
	if pid, ok := stack.running("a"); ok {
		t.Fatalf("process %d is taken for ours", pid)
	}
	if err := stack.end("a"); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesAreOfTheirAuthority(t *testing.T) {
	dir := t.TempDir()
	if err := makeCertificates(dir); err != nil {
		t.Fatal(err)
	}
	read := func(name string) *x509.Certificate {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return certificate
	}
	check := func(leaf, authority, host string, usage x509.ExtKeyUsage) {
		t.Helper()
		roots := x509.NewCertPool()
		roots.AddCert(read(authority))
		options := x509.VerifyOptions{Roots: roots, DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage}}
		if _, err := read(leaf).Verify(options); err != nil {
			t.Errorf("%s: %v", leaf, err)
		}
	}
	check("apiserver.crt", "ca.crt", "127.0.0.1", x509.ExtKeyUsageServerAuth)
	check("keda.crt", "ca.crt", "keda-metrics-apiserver.keda.svc", x509.ExtKeyUsageServerAuth)
	check("keda.crt", "ca.crt", "", x509.ExtKeyUsageClientAuth)
	check("front-proxy-client.crt", "front-proxy-ca.crt", "", x509.ExtKeyUsageClientAuth)
}
