//! The rim: what a real cluster said, and how it is compared.
