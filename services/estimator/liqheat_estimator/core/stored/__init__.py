"""State of a coin as bytes, exact to the last bit: the same state gives the same bytes, and the bytes the same state.

* ``arrays``    large arrays beside the header
* ``coin``      the whole state
* ``market``    one market: map, books, learning
* ``accuracy``  the record of the map
* ``migration`` states of earlier versions
"""
