package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	encoding "encoding/base64"
)

// A client talks to the API server as administrator.
type client struct {
	http *http.Client
	base string
}

func (s *Stack) client() (*client, error) {
	authority, err := os.ReadFile(s.run("pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(s.run("pki", "admin.crt"), s.run("pki", "admin.key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	// Parts that make their own serving certificate are only ever asked for their health.
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	return &client{
		http: &http.Client{Transport: transport, Timeout: 20 * time.Second},
		base: fmt.Sprintf("https://127.0.0.1:%d", s.ports.APIServer),
	}, nil
}

// healthy says whether a part's health address answers 200.
func healthy(url string) bool {
	insecure := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	probe := &http.Client{Transport: insecure, Timeout: 2 * time.Second}
	response, err := probe.Get(url)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// ask sends one request; a status of 300 or more is an error, with the server's own words.
func (c *client) ask(method, path, kind string, body []byte) ([]byte, int, error) {
	request, err := http.NewRequest(method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, response.StatusCode, err
	}
	if response.StatusCode >= 300 {
		var status struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(data, &status)
		if status.Message == "" {
			status.Message = string(data)
		}
		return data, response.StatusCode, fmt.Errorf("%s %s: %d: %s", method, path, response.StatusCode, status.Message)
	}
	return data, response.StatusCode, nil
}

// apply is a server-side apply: the 667 kB of KEDA's ScaledJob do not fit into a client-side one.
func (c *client) apply(path string, object []byte) error {
	query := "?fieldManager=scaletwin-stack&force=true"
	_, _, err := c.ask(http.MethodPatch, path+query, "application/apply-patch+yaml", object)
	return err
}

// create posts an object with its status; one that is there already is left alone.
func (c *client) create(path string, object []byte) error {
	_, status, err := c.ask(http.MethodPost, path, "application/json", object)
	if status == http.StatusConflict {
		return nil
	}
	return err
}

// conditionTrue says whether an object has a condition of that type with status True.
func (c *client) conditionTrue(path, kind string) bool {
	data, _, err := c.ask(http.MethodGet, path, "", nil)
	if err != nil {
		return false
	}
	var object struct {
		Status struct {
			Conditions []struct{ Type, Status string }
		}
	}
	if json.Unmarshal(data, &object) != nil {
		return false
	}
	for _, condition := range object.Status.Conditions {
		if condition.Type == kind && condition.Status == "True" {
			return true
		}
	}
	return false
}

func (c *client) exists(path string) bool {
	_, _, err := c.ask(http.MethodGet, path, "", nil)
	return err == nil
}

func base64(data []byte) string { return encoding.StdEncoding.EncodeToString(data) }
