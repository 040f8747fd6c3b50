//! HPA: replica calculator, behavior, reconciles, sync timing.
