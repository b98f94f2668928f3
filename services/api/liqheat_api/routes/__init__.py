"""Endpoints, a file for each kind of answer."""
