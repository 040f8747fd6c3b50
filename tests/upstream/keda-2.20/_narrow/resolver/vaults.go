package resolver

import (
	"context"
	"errors"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/scalers/authentication"
)

// No question is about secrets: none of these vaults opens.
var errNoVault = errors.New("no vault")

// A vault of no kind.
type vault struct{}

func (vault) Initialize(context.Context, client.Client, logr.Logger, string, corev1listers.SecretLister) error {
	return errNoVault
}
func (vault) Read(context.Context, string, string) (string, error) { return "", errNoVault }

// NewAzureKeyVaultHandler opens nothing.
func NewAzureKeyVaultHandler(*kedav1alpha1.AzureKeyVault) vault { return vault{} }

// NewGCPSecretManagerHandler opens nothing.
func NewGCPSecretManagerHandler(*kedav1alpha1.GCPSecretManager) vault { return vault{} }

type hashicorp struct{}

func (hashicorp) Initialize(logr.Logger) error { return errNoVault }
func (hashicorp) Stop()                        {}
func (hashicorp) ResolveSecrets([]kedav1alpha1.VaultSecret) ([]kedav1alpha1.VaultSecret, error) {
	return nil, errNoVault
}

// NewHashicorpVaultHandler opens nothing.
func NewHashicorpVaultHandler(*kedav1alpha1.HashiCorpVault, *authentication.AuthClientSet, string) hashicorp {
	return hashicorp{}
}

type aws struct{}

func (aws) Initialize(context.Context, client.Client, logr.Logger, string, corev1listers.SecretLister, *corev1.PodSpec) error {
	return errNoVault
}
func (aws) Stop() {}
func (aws) Read(context.Context, logr.Logger, string, string, string, string) (string, error) {
	return "", errNoVault
}

// NewAwsSecretManagerHandler opens nothing.
func NewAwsSecretManagerHandler(*kedav1alpha1.AwsSecretManager) aws { return aws{} }
