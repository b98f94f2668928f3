"""The record of the map: forecasts frozen before, what came true, and the same for baselines that know less.

* ``vendor_like``  the map that simple vendors draw, kept beside ours to be compared with
* ``baselines``    what each method expects in a band
* ``scores``       running scores with their intervals, and calibration by size
* ``book``         the open records of a coin, hour by hour
* ``message``      a closed record as ``map-accuracy-v1``
"""
