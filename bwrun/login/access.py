"""From the settings for a client certificate and headers to what the network needs of them."""

from __future__ import annotations

from bwrun.base.deadline import Deadline
from bwrun.credentials.access import read_headers
from bwrun.network.access import Access, ClientCertificate
from bwrun.settings.access import AccessSettings


def open_access(settings: AccessSettings, deadline: Deadline) -> Access:
    """
    Read the header file, and look whether the client certificate can be used; an encrypted key is opened later.

    Raises ConfigError: one of them cannot be used; NetworkError: the deadline.
    """
    headers = {} if settings.header_file is None else read_headers(settings.header_file, deadline)
    certificate = None
    if settings.certificate is not None:
        certificate = ClientCertificate(settings.certificate, settings.key or settings.certificate)
        if not settings.key_is_encrypted:
            certificate.check()
    return Access(settings.urls, certificate, headers)
