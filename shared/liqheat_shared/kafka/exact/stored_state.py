"""The value of a state changelog record: header, bookkeeping as JSON, the fold's own bytes."""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import Any, NamedTuple

import orjson

#: layout version of this file, version of the fold's state, log epoch, label (offset), length of the JSON
_HEAD = struct.Struct("<HHqqI")
LAYOUT_VERSION = 1

#: Key of the record that says up to which offset a partition is folded. No coin can have it.
POSITION_KEY = b"\x00position"


class StateVersionError(Exception):
    """The stored state has a layout that this program can't read."""


class StoredState(NamedTuple):
    """A changelog record, decoded.

    Attributes
    ----------
    log_epoch, label : int
        State after all messages up to offset ``label`` of that epoch of the input.
    bookkeeping : dict
        What the shell remembers about the key.
    body : bytes
        What the fold dumped.
    """

    log_epoch: int
    label: int
    bookkeeping: dict[str, Any]
    body: bytes


def pack(state: StoredState, state_version: int) -> bytes:
    """Bytes of a record; equal input gives equal bytes."""
    bookkeeping = orjson.dumps(state.bookkeeping, option=orjson.OPT_SORT_KEYS)
    head = _HEAD.pack(LAYOUT_VERSION, state_version, state.log_epoch, state.label, len(bookkeeping))
    return b"".join((head, bookkeeping, state.body))


def order(raw: bytes) -> tuple[int, int]:
    """(log epoch, label) of a record: of two records of a key, the one with the higher pair is the newer state."""
    _, _, log_epoch, label, _ = _HEAD.unpack_from(raw)
    return log_epoch, label


def check_version(raw: bytes, state_version: int, older: Collection[int] = ()) -> int:
    """State version of a record.

    Parameters
    ----------
    state_version : int
        The version that this program writes.
    older : collection of int
        Versions that it can migrate.

    Raises
    ------
    StateVersionError
        It was written by another version of the shell, or by a version of the fold that is not among these.
    """
    layout, version, *_ = _HEAD.unpack_from(raw)
    if layout != LAYOUT_VERSION or (version != state_version and version not in older):
        migrated = f" (and migrates {', '.join(map(str, sorted(older)))})" if older else ""
        raise StateVersionError(
            f"stored state has layout {layout} and state version {version}; "
            f"this program reads layout {LAYOUT_VERSION} and state version {state_version}{migrated}"
        )
    return int(version)


def unpack(raw: bytes, state_version: int, older: Collection[int] = ()) -> StoredState:
    """Read a record; its body is as it was written, of whichever version.

    Raises
    ------
    StateVersionError
        See :func:`check_version`.
    """
    check_version(raw, state_version, older)
    _, _, log_epoch, label, length = _HEAD.unpack_from(raw)
    start = _HEAD.size + length
    return StoredState(log_epoch, label, orjson.loads(raw[_HEAD.size : start]), raw[start:])
