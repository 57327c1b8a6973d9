"""What the certificate of a server says."""

from __future__ import annotations

from bwrun.base.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime


class Certificate(Struct):
    """What a certificate says, as far as an error's words need it."""

    subject: str
    issuer: str
    begins: datetime  # UTC
    ends: datetime  # UTC
    names: tuple[str, ...]  # of the hosts that it is for: DNS names and IP addresses
    names_its_issuer: bool  # whether it says where its issuer's certificate can be fetched, as those of public CAs do
