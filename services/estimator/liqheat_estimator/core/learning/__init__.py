"""What venues report when price sweeps a part of the map: learned online, in the fold, beside the map.

* ``activity``   how much the price has moved lately, in numbers that never look ahead
* ``structure``  which parts a forecast has and which parameters they need
* ``kernels``    the filter's arithmetic
* ``filter``     the parameters of a market, and how an hour teaches them
* ``calibration`` from the filter's median to an expected sum
* ``frozen``     a forecast frozen at the start of an hour
* ``prior``      what is believed before a market has said anything
* ``prior_table`` such beliefs by market, class and venue, as data: ``priors.json``
* ``pooling``    such beliefs out of what many markets were taught
* ``hour``       ties them to the clock of a market
"""
