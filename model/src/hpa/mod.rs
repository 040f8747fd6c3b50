//! The HorizontalPodAutoscaler controller.
