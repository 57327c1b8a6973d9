"""
Connections to hosts whose name is looked up slowly.

A name service that drops the question for one family of addresses (mostly IPv6) keeps getaddrinfo() from answering for
15 s, although the other family's addresses are known.  RFC 8305, section 3, looks up both families apart; this module
does so where the common lookup has not answered after 250 ms.  Most lookups are faster, so most runs never import it.
"""

from __future__ import annotations

import _socket
from time import monotonic

from bwrun.network.dialing import Dial, NoConnectionError

STEP = 0.01  # seconds between two looks at what has ended


def first_connection(common: Dial, end: float) -> _socket.socket:
    """
    Return the first connection that `common` or a lookup for one family alone leads to.

    Raises TimeoutError: there is none at `end`, a time of the monotonic clock; otherwise as `common.result()`.
    """
    families = (_socket.AF_INET6, _socket.AF_INET)
    apart = [Dial(common.host, common.port, max(0.0, end - monotonic()), family, common.witness) for family in families]
    dials = [common, *apart]
    failed: NoConnectionError | None = None
    while dials:
        for dial in [dial for dial in dials if dial.is_done()]:
            dials.remove(dial)
            try:
                connection = dial.result()
            except NoConnectionError as error:
                failed = error
            except OSError:
                pass  # this family has no address; the common lookup says what is wrong where neither has
            else:
                _abandon(dials)
                return connection
        if monotonic() >= end and not any(dial.is_looked_up for dial in dials):
            _abandon(dials)
            raise failed or TimeoutError
        if dials:
            _wait(dials[0])
    return common.result()  # which raises


def _wait(dial: Dial) -> None:
    try:
        dial.result(STEP)
    except OSError:
        pass


def _abandon(dials: list[Dial]) -> None:
    for dial in dials:
        dial.abandon()
