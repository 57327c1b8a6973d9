"""
A container as Kubernetes makes it, of the machine's own files: root's read-only files, another user, PID 1, no /tmp.

Only root can make one.  `/run` has the Secret, `/app` the program, `/dev/shm` is in memory, as containerd mounts it
(internal/cri/server/container_create.go: it can be written to although the root file system is read-only).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.support.program import BWRUN, TIMEOUT, Ended, Surroundings
from tests.support.users import as_user

USER = 10001
# The arguments: the Secret's folder, the program's folder, what becomes /dev/shm, and the words to run.
MAKE = """\
set -e
new=/mnt
mount -t tmpfs none "$new"
for entry in /*; do
    if test -L "$entry"; then
        cp -d "$entry" "$new"
    elif test -d "$entry"; then
        mkdir "$new$entry"
        case $entry in /run | /mnt) ;; *) mount --rbind "$entry" "$new$entry" ;; esac
    fi
done
mkdir -p "$new/run/secrets/bwrun" "$new/app"
mount --bind "$1" "$new/run/secrets/bwrun"
mount --bind "$2" "$new/app"
mount --bind "$3" "$new/dev/shm"
mount -t proc none "$new/proc"
for closed in / /app /tmp /run/secrets/bwrun; do mount -o remount,bind,ro "$new$closed"; done
shift 3
exec chroot "$new" "$@"
"""


@dataclass(frozen=True)
class Container:
    """What a manifest says of a container: its words, its environment and its working directory."""

    words: Sequence[str]
    environment: Mapping[str, str]
    directory: str


def run_in_pod(
    container: Container, surroundings: Surroundings, secret: Mapping[str, str], programs: Mapping[str, str]
) -> Ended:
    """
    Run a container with the files of a Secret volume and with scripts in `/app`, and wait for it.

    `surroundings.runtime` becomes its `/dev/shm`.
    """
    root = surroundings.home.parent
    way = as_user(surroundings, USER)
    way = way[: way.index("setpriv")]
    files, app = root / "secret", root / "app"
    for folder, contents, mode in ((files, secret, 0o440), (app, programs, 0o555)):
        folder.mkdir()
        folder.chmod(0o755)
        for name, text in contents.items():
            (folder / name).write_text(text)
            (folder / name).chmod(mode)
            os.chown(folder / name, 0, USER)  # fsGroup: the group gets the files, and may read them
    os.chown(surroundings.runtime, 0, 0)
    surroundings.runtime.chmod(0o1777)
    inside = ('cd "$1" && shift && exec "$@"', "sh", container.directory)
    limits = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
    done = subprocess.run(
        [
            *way, "unshare", "--mount", "--pid", "--fork", "sh", "-c", MAKE, "sh", files, app, surroundings.runtime,
            "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *limits,
            "sh", "-c", *inside, *container.words,
        ],
        check=False, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=TIMEOUT,
        env={
            "PATH": f"{BWRUN.parent}:{os.environ['PATH']}", "HOME": "/",
            "SSL_CERT_FILE": surroundings.environment["SSL_CERT_FILE"], **container.environment,
        },
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)
