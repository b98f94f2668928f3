"""The simulator behind the real REST and WebSocket formats of four venues, on loopback.

``liqheat fake-venue`` runs it: an unmodified exchange client connects to it as it would to the venue.
"""
