"""The live source: four venues through ccxt.pro, nothing lost between the socket and the log, every gap announced.

- ``socket_client.py``, ``exchanges.py``: ccxt's WebSocket client and exchanges, with the raw message taken out first.
- ``intake.py``: raw messages to items to messages of the log; bounded, and slows the sockets when Kafka is slow.
- ``connection.py``, ``connection_plan.py``: one connection, from dial to the next dial; which topics go on which.
- ``feed_watch.py``: which streams are interrupted, from when to when, and what was missed. Pure.
- ``rate_budget.py``, ``rest.py``: one budget for all calls of a venue.
- ``polling.py``, ``backfill.py``, ``refill.py``, ``accounts.py``: what is asked for by REST.
- ``venues/``: what differs by venue: addresses, topics, requests, limits.
"""
