// Package gcp stands in for a cloud that no question is about.
package gcp

import (
	"errors"
	"net/http"

	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
)

// GcpScopeMonitoringRead is never asked for.
const GcpScopeMonitoringRead = ""

// ErrGoogleApplicationCrendentialsNotFound is what a trigger without credentials gets.
var ErrGoogleApplicationCrendentialsNotFound = errors.New("no credentials")

// GetGCPOAuth2HTTPTransport finds no credentials.
func GetGCPOAuth2HTTPTransport(*scalersconfig.ScalerConfig, http.RoundTripper, ...string) (http.RoundTripper, error) {
	return nil, ErrGoogleApplicationCrendentialsNotFound
}
