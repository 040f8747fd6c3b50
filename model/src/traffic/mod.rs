//! Load, Traefik and the service: how many requests per second complete.
