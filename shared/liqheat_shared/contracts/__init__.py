"""Versioned contracts of every topic: pydantic models, one file a topic.

They need pydantic and nothing else of the project, so that a bot can install them alone.
Producers validate with ``parse_strict`` (an unknown field is an error), consumers with ``parse`` (unknown fields are
ignored), which is what lets a contract grow without a new topic.
"""
