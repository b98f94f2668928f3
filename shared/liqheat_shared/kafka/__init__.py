"""Kafka: connections, topics, and the shell that keeps the state of a fold exact."""
