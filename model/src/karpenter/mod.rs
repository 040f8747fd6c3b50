//! Karpenter core and its AWS provider.
