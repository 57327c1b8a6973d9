"""
Servers behind a load balancer that passes requests on only with the cookie of a login in a browser.

Such a server says so in its configuration, which the load balancer passes on without the cookie: `communication.
bootstrap` has the type `ssoCookieVendor` (bitwarden/server #6892 and #6903; the official clients' libs/common/src/
platform/services/config/default-config.service.ts).  Without the cookie, other requests end at a login page.
"""

from __future__ import annotations

from bwrun.base.errors import ServerError
from bwrun.login.server_json import JsonObject
from bwrun.settings.servers import Server

TYPE = "ssoCookieVendor"


def find_login_cookie(config: object, server: Server) -> ServerError | None:
    """Return the error for a server whose configuration asks for such a cookie, None if it does not."""
    try:
        communication = JsonObject(config, "the server's configuration").child("communication")
        bootstrap = None if communication is None else communication.child("bootstrap")
        if bootstrap is None or bootstrap.text("type") != TYPE:
            return None
        name = bootstrap.text("cookieName")
    except ServerError:
        return None
    cookie = f" (cookie `{name}`)" if name else ""
    header = f"Cookie: {name}=…" if name else "Cookie: …"
    return ServerError(
        "login-cookie", f"{server.name} is behind a load balancer that requires a login in a browser{cookie}",
        f"put the cookie of such a login into the file of `--header-file`, as `{header}`",
        "or set `--identity-url` and `--api-url` to addresses that bypass the load balancer",
    )  # fmt: skip
