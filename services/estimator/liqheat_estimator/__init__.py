"""The estimator service."""
