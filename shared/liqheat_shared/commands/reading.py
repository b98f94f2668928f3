"""What the commands that read topics share: running, names, and faults as sentences."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liqheat_shared.settings import ServiceSettings


def run_reader(command: str, work: Callable[[ServiceSettings], Coroutine[Any, Any, int]]) -> int:
    """Run a command against the broker of the settings and return its exit code.

    Ctrl-C and a closed pipe (``| head``) are ordinary ends; a broker that doesn't answer is one sentence.
    """
    from aiokafka.errors import KafkaError

    from liqheat_shared.local.running import client_defaults
    from liqheat_shared.settings import ServiceSettings, load_settings

    settings = load_settings(ServiceSettings, **client_defaults())
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what matters of it reaches us as an exception
    try:
        return asyncio.run(work(settings))
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # Python flushes at exit: give it somewhere to write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        servers = settings.kafka_bootstrap_servers
        print(f"liqheat {command}: {error or type(error).__name__} (broker: {servers})", file=sys.stderr)
        return 1


def text_of(key: bytes | None) -> str:
    """A message key as text.

    >>> text_of(b"BTC")
    'BTC'
    """
    return "" if key is None else key.decode("utf-8", "replace")


def is_about(key: bytes | None, coin: str | None) -> bool:
    """Whether a key belongs to the coin: it is the coin, or the coin and a scope. None: every key does.

    >>> is_about(b"BTC|binance", "BTC"), is_about(b"BTCDOM", "BTC")
    (True, False)
    """
    if coin is None:
        return True
    wanted = coin.encode()
    return key is not None and (key == wanted or key.startswith(wanted + b"|"))
