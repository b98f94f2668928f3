"""How the inner loops are compiled: to machine code, once, cached beside the sources.

Without fast-math every addition happens in the order in which it is written, so the result is the same to the last bit
wherever floats are IEEE 754. A loop that wanders over a few cells costs a microsecond that way, and twenty as array
expressions (docs/adr/0006-compiled-kernels.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: str) -> Callable[[Function], Function]:
    """Compile a function for one signature, when its module is imported or from the cache of an earlier import.

    Where no folder can be written to, every start compiles: seconds more, the same code.
    """

    def decorate(function: Function) -> Function:
        try:
            return cast(Function, _compile(signature, function, cache=True))
        except (OSError, RuntimeError):  # the cache can't be written, or has no place; anything else comes again
            return cast(Function, _compile(signature, function, cache=False))

    return decorate


def _compile(signature: str, function: Any, *, cache: bool) -> Any:
    return numba.njit(signature, cache=cache, nogil=True, fastmath=False, error_model="numpy")(function)
