"""The client certificate and the headers for the servers that the user configured."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

from bwrun.base.channel import decode, encode
from bwrun.base.errors import ConfigError
from bwrun.base.sensitive import Sensitive
from bwrun.network.transport import Place, place_of

SHORTEST = 4  # characters of a header's value from which on it is cut out of what servers say


class ClientCertificate:
    """A client certificate and its private key, in PEM files."""

    def __init__(self, path: str, key: str, password: Sensitive | None = None) -> None:
        """`key`: the file of the private key, which may be the same; `password`: what it is encrypted with."""
        self.path = path
        self.key = key
        self.password = password

    def check(self) -> None:
        """Look whether it can be used. Raises ConfigError, as `add_to()`."""
        self.add_to(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def add_to(self, context: ssl.SSLContext) -> None:
        """
        Let `context` show the certificate to servers that ask for one.

        Raises ConfigError: certificate or key cannot be read, they do not belong together, or the passphrase is wrong.
        """
        asked = False

        def give_password() -> bytes:
            nonlocal asked
            asked = True
            return b"" if self.password is None else self.password.reveal()  # else OpenSSL asks on the terminal

        try:
            context.load_cert_chain(self.path, self.key, give_password)
        except ssl.SSLError as error:
            raise self._unusable(error, asked=asked) from None
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise ConfigError("client-cert", f"cannot read `{self.path}` or `{self.key}`: {why}") from None
        except ValueError:  # the passphrase is longer than OpenSSL takes one
            raise self._wrong_password() from None

    def _unusable(self, error: ssl.SSLError, *, asked: bool) -> ConfigError:
        if "MISMATCH" in (getattr(error, "reason", None) or ""):
            return ConfigError(
                "client-key", f"the private key in `{self.key}` does not belong to the certificate in `{self.path}`"
            )
        if asked:
            return self._wrong_password()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.path)
        except ssl.SSLError:
            return ConfigError("client-cert", f"cannot read the certificate in `{self.path}`: it is damaged")
        return ConfigError("client-key", f"cannot read the private key in `{self.key}`: it is damaged")

    def _wrong_password(self) -> ConfigError:
        return ConfigError("client-key", f"wrong passphrase for the private key in `{self.key}`")


class Gateway:
    """What the gateway in front of some servers requires."""

    def __init__(
        self, urls: tuple[str, ...], certificate: ClientCertificate | None, headers: Mapping[str, Sensitive]
    ) -> None:
        """`urls`: of the servers; whatever has the same scheme, host and port is one of them."""
        self._urls = urls
        self._places = frozenset(map(place_of, urls))
        self.certificate = certificate
        self._headers = dict(headers)

    def headers(self) -> dict[str, str]:
        """Return the headers for a request to one of the servers."""
        return {name: value.reveal().decode() for name, value in self._headers.items()}

    def covers(self, place: Place) -> bool:
        """Return whether the server at `place` gets the certificate and the headers."""
        return place in self._places

    def secrets(self) -> tuple[Sensitive, ...]:
        """Return the values that no message may show."""
        return tuple(value for value in self._headers.values() if len(value) >= SHORTEST)

    def to_word(self) -> bytes:
        """Return all of it as one word, for another process; it holds secrets."""
        certificate = []
        if self.certificate is not None:
            password = self.certificate.password
            certificate = [*map(os.fsencode, (self.certificate.path, self.certificate.key))]
            certificate += [] if password is None else [password.reveal()]
        headers = [part for name, value in self._headers.items() for part in (name.encode(), value.reveal())]
        return encode([encode(list(map(os.fsencode, self._urls))), encode(certificate), encode(headers)])

    @classmethod
    def from_word(cls, word: bytes) -> Gateway:
        """Read what `to_word()` made."""
        urls, certificate, headers = ([part for part in decode(one.strip()) if part] for one in decode(word.strip()))
        shown = None
        if certificate:
            path, key = map(os.fsdecode, certificate[:2])
            shown = ClientCertificate(path, key, Sensitive(certificate[2]) if certificate[2:] else None)
        pairs = zip(headers[::2], headers[1::2], strict=True)
        return cls(tuple(map(os.fsdecode, urls)), shown, {name.decode(): Sensitive(value) for name, value in pairs})
