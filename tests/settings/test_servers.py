"""Which URLs `--server`, `--identity-url` and `--api-url` mean, and which are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwrun.base.errors import AuthenticationError, ConfigError
from bwrun.base.sensitive import Sensitive
from bwrun.credentials.found import ApiKey, Credentials
from bwrun.login.token import read_login
from bwrun.network.answer import Answer
from bwrun.settings.servers import EU, GOV, US, Server, find_server, is_loopback


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (None, US),
        ("us", US),
        ("US", US),
        (" eu ", EU),
        ("bitwarden.com", US),
        ("https://vault.bitwarden.com/", US),
        ("https://VAULT.Bitwarden.EU", EU),
        ("api.bitwarden.eu", EU),
        ("https://identity.bitwarden.com", US),
        ("Gov", GOV),
        ("https://vault.bitwarden-gov.com/", GOV),
        ("api.bitwarden-gov.com", GOV),
    ],
)
def test_knows_the_cloud(server: str | None, expected: Server) -> None:
    """Bitwarden's own clouds are meant by word, by name and by any of their addresses; none given is the US."""
    assert find_server(server, None, None) == expected


def test_the_clouds_have_their_addresses() -> None:
    """The addresses are those of the official clients (libs/common/…/default-environment.service.ts)."""
    assert US == Server(
        "https://identity.bitwarden.com", "https://api.bitwarden.com", "https://vault.bitwarden.com", "US"
    )
    assert EU == Server("https://identity.bitwarden.eu", "https://api.bitwarden.eu", "https://vault.bitwarden.eu", "EU")
    assert GOV == Server(
        "https://identity.bitwarden-gov.com", "https://api.bitwarden-gov.com", "https://vault.bitwarden-gov.com", "Gov"
    )


@pytest.mark.parametrize(
    ("server", "base"),
    [
        ("vault.example.com", "https://vault.example.com"),
        ("https://vault.example.com///", "https://vault.example.com"),
        ("https://example.com/a/Vault/", "https://example.com/a/Vault"),
        ("HTTPS://Example.COM:8443/Vault", "https://example.com:8443/Vault"),
        (" https://vault.example.com ", "https://vault.example.com"),
        ("localhost:8080", "https://localhost:8080"),
        ("[::1]:8080", "https://[::1]:8080"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:8080/vault", "http://[::1]:8080/vault"),
        ("https://bitwarden.com.example.org", "https://bitwarden.com.example.org"),
        ("http://LOCALHOST", "http://localhost"),
    ],
)
def test_reads_a_base_url(server: str, base: str) -> None:
    """A server of one's own has its services under its URL: a path stays, slashes at its end do not."""
    expected = Server(f"{base}/identity", f"{base}/api", base, "Self-hosted")

    assert find_server(server, None, None) == expected


def test_reads_separate_urls() -> None:
    """Both services' URLs are enough; the official CLI is then told no base URL."""
    found = find_server(None, "id.example.com/", "https://api.example.com/v1/")

    assert found == Server("https://id.example.com", "https://api.example.com/v1", None, "Self-hosted")


def test_one_service_may_differ_from_the_server() -> None:
    """With --server, one service's URL alone takes the place of what follows from it."""
    found = find_server("https://vault.example.com", None, "https://api.example.com")

    assert found == Server(
        "https://vault.example.com/identity", "https://api.example.com", "https://vault.example.com", "Self-hosted"
    )


@pytest.mark.parametrize(
    ("identity", "api", "message"),
    [
        ("https://id.example.com", None, "`--identity-url` is set without `--api-url`"),
        (None, "https://api.example.com", "`--api-url` is set without `--identity-url`"),
    ],
)
def test_refuses_half_a_server(identity: str | None, api: str | None, message: str) -> None:
    """One service's URL alone would send the key to bitwarden.com and the token elsewhere: refused."""
    with pytest.raises(ConfigError) as caught:
        find_server(None, identity, api)

    assert (caught.value.code, caught.value.message) == ("config.server", message)


@pytest.mark.parametrize(
    "server",
    [
        "",
        "https://",
        "https:///path",
        "//vault.example.com",
        "https://vault example.com",
        "https://vault.example.com\\@evil.example",
        "https://vault.exa\nmple.com",
        "https://vault.example.com:99999",
        "https://vault.example.com:port",
        "https://[::1",
        "ftp://vault.example.com",
        "file:///etc/passwd",
        "javascript:alert",
        "https://ada:canary@vault.example.com",
        "https://canary@vault.example.com",
        "https://vault.example.com?canary=1",
        "https://vault.example.com#canary",
    ],
)
def test_refuses_what_is_no_server(server: str) -> None:
    """No URL, another scheme, a user name, a query or a fragment: refused, and what was given is not shown."""
    for setting in ((server, None, None), ("us", server, None), (None, "https://id.example.com", server)):
        with pytest.raises(ConfigError) as caught:
            find_server(*setting)

        assert caught.value.code == "config.server"
        assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    "host",
    [
        "vault.example.com",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "localhostess",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104  (an address to refuse)
        "127.0.0",
        "127.0.0.256",
        "127.0.0.0x1",
        "2130706433",
        "128.0.0.1",
        "[::2]",
        "[::ffff:10.0.0.1]",
    ],
)
def test_refuses_http_to_the_network(host: str) -> None:
    """Over http only this machine itself may be asked, and nothing that only looks like it."""
    with pytest.raises(ConfigError) as caught:
        find_server(f"http://{host}:8080/vault", None, None)

    assert caught.value.code == "config.insecure-server"
    bare = host.strip("[]")
    assert caught.value.message == (
        f"`--server` uses http, which would send the API key to `{bare}` without encryption"
    )


@pytest.mark.parametrize("host", ["127.0.0.²", "127.0.0.٣", "127.0.0.１", "127。0。0。1", "ⓛocalhost"])  # noqa: RUF001  (digits of other scripts, on purpose)
def test_takes_only_plain_digits_for_loopback(host: str) -> None:
    """Digits of other scripts make no loopback address: what they resolve to is not known."""
    assert is_loopback(host) is False


@given(host=st.text(max_size=30))
def test_any_text_is_a_server_or_refused(host: str) -> None:
    """Whatever is given, it is a server over https or loopback, or a ConfigError."""
    for text in (host, f"http://{host}", f"https://{host}"):
        try:
            found = find_server(text, None, None)
        except ConfigError:
            continue

        assert found.identity.startswith(("https://", "http://localhost", "http://127.", "http://[::1]"))


@pytest.mark.parametrize(
    ("server", "hint"),
    [
        (
            "us",
            (
                "if the account is at bitwarden.eu, set `--server eu`; if the account is at bitwarden-gov.com, set"
                " `--server gov`; for a self-hosted server set `--server URL`"
            ),
        ),
        (
            "eu",
            (
                "if the account is at bitwarden.com, set `--server us`; if the account is at bitwarden-gov.com, set"
                " `--server gov`; for a self-hosted server set `--server URL`"
            ),
        ),
        (
            "gov",
            (
                "if the account is at bitwarden.com, set `--server us`; if the account is at bitwarden.eu, set"
                " `--server eu`; for a self-hosted server set `--server URL`"
            ),
        ),
        ("https://vault.example.com", None),
    ],
)
def test_a_refused_key_hints_at_the_other_regions(server: str, hint: str | None) -> None:
    """A key that one cloud does not know may be one of another."""
    credentials = Credentials(
        api_key=ApiKey("user.0", Sensitive(b"secret")),
        master_password=Sensitive(b"password"),
        client_id_place="the environment",
        client_secret_place="the environment",
        master_password_place="the environment",
    )
    found = find_server(server, None, None)

    with pytest.raises(AuthenticationError) as caught:
        read_login(Answer(400, {}, {"error": "invalid_client"}), credentials, found)

    assert caught.value.code == "auth.invalid-api-key"
    assert caught.value.message == f"{found.base} does not accept this API key (400 invalid_client)"
    assert [one for one in caught.value.hints if "--server" in one] == ([] if hint is None else [hint])
