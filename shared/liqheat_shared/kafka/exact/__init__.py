"""Exact state on Kafka: every input counts once in the state, every output exists with a stable identity.

    state(coin) = fold of every message of the coin with offset <= label; the label is stored WITH the state
    outputs     = sent while the fold runs, named after the source event; repeats are possible, holes are not

How it fits together (``docs/exact-state.md`` tells it in full):

* ``slots``        one coin, one partition: plain data
* ``engine``       what happens to a message, without any I/O, so that it can be tested message by message
* ``outputs``      the idempotent producer whose deliveries a checkpoint awaits
* ``changelog``    the state's topic: written in transactions that fence a predecessor, read back before anything else
* ``table``        the Faust table that ties the changelog to Faust's rebalances
* ``checkpointer`` when and in which order state is written
* ``worker``       the process: Faust app, folding, timers, metrics, end
"""
