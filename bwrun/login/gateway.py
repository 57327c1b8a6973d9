"""From the settings for a client certificate and headers to what the network needs of them."""

from __future__ import annotations

from bwrun.base.deadline import Deadline
from bwrun.credentials.gateway import read_headers
from bwrun.network.gateway import ClientCertificate, Gateway
from bwrun.settings.gateway import GatewaySettings


def open_gateway(settings: GatewaySettings, deadline: Deadline) -> Gateway:
    """
    Read the header file, and check that the client certificate can be used. An encrypted key is opened later.

    Raises ConfigError: one of them cannot be used; NetworkError: the deadline.
    """
    headers = {} if settings.header_file is None else read_headers(settings.header_file, deadline)
    certificate = None
    if settings.certificate is not None:
        certificate = ClientCertificate(settings.certificate, settings.key or settings.certificate)
        if not settings.key_is_encrypted:
            certificate.check()
    return Gateway(settings.urls, certificate, headers)
