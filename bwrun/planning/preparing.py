"""What can be done while the key derivation runs, in a thread of its own that leaves Python free."""

from __future__ import annotations

from bwrun.planning.plan import Plan
from bwrun.settings.config import Config
from bwrun.settings.option_names import LIST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.session.limited import KeyPair


def prepare_next_steps(plan: Plan, config: Config) -> KeyPair | None:
    """Import what the steps after the key derivation need; return the key pair of a session with --only."""
    if plan.opens_session:
        import bwrun.session.collecting  # noqa: PLC0415
        import bwrun.session.opening  # noqa: PLC0415
        from bwrun.session.formats import FORMAT  # noqa: PLC0415

        FORMAT.prepare()
    if plan.requested or config.mode == LIST:
        import bwrun.injection.resolving  # noqa: PLC0415
        import bwrun.planning.looking_up  # noqa: F401, PLC0415
    if plan.ssh_agent:
        import subprocess  # noqa: F401, PLC0415
    if plan.selectors is None:
        return None
    from bwrun.session.limited import make_key_pair  # noqa: PLC0415

    return make_key_pair()
