"""From the settings for a client certificate and headers to what the network needs of them."""

from __future__ import annotations

from bwrun.base.deadline import Deadline
from bwrun.credentials.gateway import read_headers, read_key_password
from bwrun.network.gateway import ClientCertificate, Gateway
from bwrun.settings.config import Config
from bwrun.settings.gateway import GatewaySettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.network.routing import Network


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


def open_key(config: Config, network: Network, deadline: Deadline) -> None:
    """
    Read the passphrase of the client certificate's key, once, if the key is encrypted.

    Raises CredentialError: it cannot be had; ConfigError: it does not open the key; NetworkError: the deadline.
    """
    certificate = None if network.gateway is None else network.gateway.certificate
    if config.gateway is None or not config.gateway.key_is_encrypted or certificate is None:
        return
    if certificate.password is None:
        network.open_client_key(read_key_password(config.gateway, config.sources, deadline))
