package keda

import (
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
)

// Open sets what SetupWithManager would.
func (r *ScaledObjectReconciler) Open(mapper meta.RESTMapper) {
	r.restMapper = mapper
	r.scaledObjectsGenerations = &sync.Map{}
}
