"""Addresses of the simulated accounts: made from their numbers, and back."""

from __future__ import annotations

from typing import NamedTuple

BUYER, SELLER = +1, -1
#: Market makers, who hold no position.
MAKERS = 40
_ADDRESSES = 1 << 160
#: Any odd number has an inverse modulo a power of two.
_FACTOR = 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251
_INVERSE = pow(_FACTOR, -1, _ADDRESSES)
_LARGEST = 1 << 48


class Account(NamedTuple):
    """Who an address is: ``side`` 0 makes markets; +1 and -1 hold the long or short ``number`` of a coin, no other."""

    side: int
    coin: int
    number: int


def account_code(side: int, coin: int, number: int) -> int:
    """A number for the account that holds the position ``number`` of a side of the ``coin``-th coin."""
    return (number << 10) | (coin << 2) | (1 if side > 0 else 2)


def maker_code(number: int) -> int:
    """A number for a market maker."""
    return number << 10


def address(code: int) -> str:
    """The address of an account.

    >>> len(address(account_code(BUYER, 3, 7))), account_of(address(account_code(BUYER, 3, 7)))
    (42, Account(side=1, coin=3, number=7))
    """
    return f"0x{(code + 1) * _FACTOR % _ADDRESSES:040x}"


def account_of(text: str) -> Account | None:
    """The account of an address, None for one that nobody here has.

    >>> account_of("0x" + "ab" * 20) is None
    True
    """
    code = int(text, 16) * _INVERSE % _ADDRESSES - 1
    if not 0 <= code < _LARGEST:
        return None
    return Account((0, 1, -1, 0)[code & 3], (code >> 2) & 255, code >> 10)
