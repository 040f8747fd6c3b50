package scalers

import (
	"errors"
	"net/http"
)

const gcpScopeMonitoringRead = ""

var errGoogleApplicationCrendentialsNotFound = errors.New("no credentials")

// getGCPOAuth2HTTPTransport finds no credentials: no question is about that cloud.
func getGCPOAuth2HTTPTransport(*ScalerConfig, http.RoundTripper, ...string) (http.RoundTripper, error) {
	return nil, errGoogleApplicationCrendentialsNotFound
}
