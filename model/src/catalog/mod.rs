//! The embedded catalog of instance types, prices and offerings.
