// Package eventemitter stands in for CloudEvents, which no question is about.
package eventemitter

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"

	eventingv1alpha1 "github.com/kedacore/keda/v2/apis/eventing/v1alpha1"
)

// EventHandler is what the controllers ask for.
type EventHandler interface {
	DeleteCloudEventSource(eventingv1alpha1.CloudEventSourceInterface) error
	HandleCloudEventSource(context.Context, eventingv1alpha1.CloudEventSourceInterface) error
	Emit(object runtime.Object, namespace, eventType string, cloudEventType eventingv1alpha1.CloudEventType, reason, message string)
}
