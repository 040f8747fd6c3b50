//! KEDA: triggers, the scale executor, the HPA it makes.
