package resolver

import (
	"context"
	"errors"

	"github.com/go-logr/logr"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
)

// No question is about secrets: none of these vaults opens.
var errNoVault = errors.New("no vault")

type vault struct{}

func (vault) Initialize(context.Context, client.Client, logr.Logger, string, corev1listers.SecretLister) error {
	return errNoVault
}
func (vault) Read(context.Context, string, string) (string, error) { return "", errNoVault }

// NewAzureKeyVaultHandler opens nothing.
func NewAzureKeyVaultHandler(*kedav1alpha1.AzureKeyVault) vault { return vault{} }

type hashicorp struct{}

type hashicorpSecret struct{ Data map[string]interface{} }

func (hashicorp) Initialize(logr.Logger) error          { return errNoVault }
func (hashicorp) Stop()                                 {}
func (hashicorp) Read(string) (*hashicorpSecret, error) { return nil, errNoVault }

// NewHashicorpVaultHandler opens nothing.
func NewHashicorpVaultHandler(*kedav1alpha1.HashiCorpVault) hashicorp { return hashicorp{} }
