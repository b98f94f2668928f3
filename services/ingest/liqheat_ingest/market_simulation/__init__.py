"""A pure simulated market: agents with known positions, so the true liquidation map is known.

Nothing here reads a clock or the environment. All chance comes from seeded generators.
"""
