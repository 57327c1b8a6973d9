"""
`make demo`: bwrun's main job, on a server that runs here, with an account that is made up.

It shows each command before it runs, and what comes of it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login

BWRUN = Path(sys.executable).with_name("bwrun")
OFFICIAL_BW = Path(__file__).parent / "cli" / "node_modules" / ".bin" / "bw"
INSIDE = """
echo "  BW_SESSION                ${BW_SESSION%%${BW_SESSION#??????}}…"
echo "  BITWARDENCLI_APPDATA_DIR  $BITWARDENCLI_APPDATA_DIR"
echo "  API key, master password  ${BW_CLIENTSECRET-not here} ${BW_PASSWORD-not here}"
echo "  STAGE, from .env          $STAGE"
echo "$BITWARDENCLI_APPDATA_DIR" >session-directory
"""


def main() -> int:
    """Show it; return 0 if all went as the README says."""
    with tempfile.TemporaryDirectory(prefix="bwrun-demo-") as folder, BitwardenServer.start() as server:
        work = Path(folder)
        item = ItemSpec("prod-db", Login(username="deploy", password="s3cret-of-prod-db"))
        account = server.add_account(AccountSpec("ada@example.com", "correct horse battery staple", items=(item,)))
        write_env_file(work / ".env", server, account)
        environment = {
            "PATH": f"{BWRUN.parent}{os.pathsep}{OFFICIAL_BW.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": folder,
            "SSL_CERT_FILE": str(server.ca_file),
        }
        say(f"A Bitwarden server runs at {server.url}, with one account. Its API key is in .env, mode 0600.")
        show(
            ["bwrun", "-v", "--", "sh", "-c", INSIDE], work, environment, shown="bwrun -v -- sh -c 'show what is there'"
        )
        directory = Path((work / "session-directory").read_text().strip())
        say(f"The command has ended: its session directory is {'STILL THERE' if directory.exists() else 'gone'}.")
        failed = directory.exists()
        if OFFICIAL_BW.exists() and shutil.which("node"):
            say("The official CLI needs no login of its own inside (it takes a few seconds to start):")
            failed |= show(["bwrun", "--", "bw", "get", "password", "prod-db"], work, environment) != 0
        say("The exit status is the command's own:")
        failed |= show(["bwrun", "--", "sh", "-c", "exit 7"], work, environment) != 7
    say("That is all: the server is stopped, nothing is left." if not failed else "Something went wrong, see above.")
    return int(failed)


def write_env_file(path: Path, server: BitwardenServer, account: Account) -> None:
    """Write what somebody who uses bwrun keeps in `.env`."""
    path.touch(mode=0o600)
    path.write_text(
        f"BW_CLIENTID={account.client_id}\nBW_CLIENTSECRET={account.client_secret}\n"
        f"BW_PASSWORD='{account.master_password}'\nBWRUN_SERVER={server.url}\nSTAGE=demo\n"
    )


def show(words: list[str], work: Path, environment: dict[str, str], shown: str | None = None) -> int:
    """Print a command, run it, print its status; return the status."""
    say(f"\n$ {shown or shlex.join(words)}")
    status = subprocess.run([BWRUN, *words[1:]], check=False, cwd=work, env=environment).returncode
    say(f"\n[status {status}]")
    return status


def say(text: str) -> None:
    """Print at once, so that it stands before what the command prints."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
