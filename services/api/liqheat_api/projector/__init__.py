"""Kafka to Redis: the only writer of the view that the api reads."""
