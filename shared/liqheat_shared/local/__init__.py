"""A real Kafka broker and a Redis-compatible server on this machine, without Docker."""
