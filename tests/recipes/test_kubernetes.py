"""docs/recipes/kubernetes.md: the manifests fit the API's schema, and their containers do what the page says."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.server.control import Account, BitwardenServer
from tests.support.needs import program
from tests.support.pages import page
from tests.support.pod import Container, run_in_pod
from tests.support.program import Surroundings
from tests.support.user_keys import text_of
from tests.support.users import needs_root

PAGE = page("docs/recipes/kubernetes.md")
FILES = PAGE.files()
SERVER = "https://vault.example.com"
BWRUN_FAILED = 125
# Both succeed only in a container as the page describes it.
PROGRAMS = {
    "migrate": """\
#!/bin/sh
if test -n "$FAIL"; then exit "$FAIL"; fi
touch /app/x /tmp/x 2>/dev/null && exit 1
test "$DB_PASSWORD" = p4ss-of-prod-db && echo "$(id -u) $DB_PASSWORD"
""",
    "nightly": '#!/bin/sh\ncd "$BITWARDENCLI_APPDATA_DIR" && test -n "$BW_SESSION" && pwd\n',
}


def load(text: str) -> Any:  # noqa: ANN401  (what a manifest holds)
    """Return a manifest, read as YAML 1.1 as kubectl does: there 0400 is octal."""
    yaml = YAML(typ="safe", pure=True)
    yaml.version = "1.1"
    return yaml.load(StringIO(text))


def pod_of(manifest: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the spec of a Job, of a CronJob too, and that of its Pods."""
    spec = manifest["spec"].get("jobTemplate", manifest)["spec"]
    return spec, spec["template"]["spec"]


MANIFESTS = {name: load(text) for name, text in FILES.items()}


def validate(folder: Path, files: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Check manifests by the schemas of the API, where unknown members are mistakes."""
    for name, text in files.items():
        (folder / name).write_text(text)
    words: list[str | Path] = [
        Path(sys.executable).with_name("kubernetes-validate"),
        "--strict",
        *(folder / name for name in files),
    ]
    return subprocess.run(words, check=False, capture_output=True, encoding="utf-8")


def test_fit_the_schema(tmp_path: Path) -> None:
    """The manifests are a Job and a CronJob that the API knows."""
    assert [manifest["kind"] for manifest in MANIFESTS.values()] == ["Job", "CronJob"]

    done = validate(tmp_path, FILES)

    assert done.returncode == 0, done.stdout + done.stderr


def test_schema_sees_mistakes(tmp_path: Path) -> None:
    """A misspelled key deep in a manifest is found, so the check above says something."""
    done = validate(tmp_path, {"job.yaml": FILES["migrate.yaml"].replace("readOnlyRootFilesystem", "readOnlyRootFS")})

    assert done.returncode != 0
    assert "readOnlyRootFS" in done.stdout + done.stderr


@pytest.mark.parametrize("name", MANIFESTS)
def test_what_no_schema_says(name: str) -> None:
    """The parts of a manifest fit together."""
    spec, pod = pod_of(MANIFESTS[name])
    (container,) = pod["containers"]
    words = [*container["command"], *container.get("args", ())]
    secret = next(volume for volume in pod["volumes"] if "secret" in volume)
    mount = next(mount for mount in container["volumeMounts"] if mount["name"] == secret["name"])
    paths = {entry["value"] for entry in container["env"] if entry["name"].endswith("_FILE")}
    keys = re.findall(r"--from-file=(\S+)", PAGE.text)

    assert pod["restartPolicy"] == "Never"  # a podFailurePolicy demands it
    assert [rule["action"] for rule in spec["podFailurePolicy"]["rules"]] == ["Ignore", "FailJob"]
    assert spec["podFailurePolicy"]["rules"][1]["onExitCodes"] == {
        "containerName": container["name"], "operator": "NotIn", "values": [BWRUN_FAILED],
    }  # fmt: skip
    assert int(words[words.index("--kill-after") + 1]) < pod["terminationGracePeriodSeconds"]
    assert f"create secret generic {secret['secret']['secretName']} " in PAGE.text
    assert paths == {f"{mount['mountPath']}/{key}" for key in keys}
    assert secret["secret"]["defaultMode"] == 0o400
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]


def run_container(
    name: str, run_in: Surroundings, server: BitwardenServer, vault: Account, fail: str = ""
) -> tuple[int, str, str]:
    """Run the container of a manifest with its own words and environment; `fail`: how its program is to exit."""
    _, pod = pod_of(MANIFESTS[name])
    (container,) = pod["containers"]
    words = [
        word.replace("60", "0.1") if word == "60" else word for word in container["command"] + container.get("args", [])
    ]
    environment = {entry["name"]: entry["value"].replace(SERVER, server.url) for entry in container["env"]}
    secret = {"clientid": vault.client_id, "clientsecret": vault.client_secret, "user-key": text_of(vault)}
    made = Container(words, environment | {"FAIL": fail}, container["workingDir"])
    done = run_in_pod(made, run_in, secret, PROGRAMS)
    return done.status, done.stdout, done.stderr


@needs_root
def test_job(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """The container of the Job runs as its user on a read-only system, and its log does not show the value."""
    assert run_container("migrate.yaml", run_in, server, vault) == (0, "10001 <concealed by bwrun>\n", "")


@needs_root
@pytest.mark.slow
def test_job_that_fails(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """The status of the command is the container's, so the Job is not run again."""
    assert run_container("migrate.yaml", run_in, server, vault, fail="3") == (3, "", "")


@needs_root
def test_cron_job(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """The session of the CronJob is in /dev/shm, and nothing of it is left (the fixture looks)."""
    status, place, errors = run_container("nightly.yaml", run_in, server, vault)

    assert (status, errors) == (0, "")
    assert place.startswith("/dev/shm/bwrun.")  # noqa: S108


def test_server_that_is_down(run_in: Surroundings) -> None:
    """Without its server, bwrun exits with the status at which the Job tries again."""
    done = run_in.run("--", "true", env={"BWRUN_SERVER": "https://127.0.0.1:1"})

    assert done.status == BWRUN_FAILED


def test_empty_directory(run_in: Surroundings) -> None:
    """An emptyDir volume with its mode is refused; a directory in it, made as the page says, is not."""
    (line,) = re.findall(r"`(mkdir [^`]+)`", PAGE.text)
    volume = run_in.work / "session"
    volume.mkdir()
    volume.chmod(0o2777)  # with fsGroup: pkg/volume/emptydir/empty_dir.go, pkg/volume/volume_linux.go
    subprocess.run(line.replace("/run/session", str(volume)).split(), check=True)

    refused = run_in.run("--", "true", env={"BWRUN_RUNTIME_DIR": str(volume)})
    used = run_in.run("--", "true", env={"BWRUN_RUNTIME_DIR": str(volume / "own")})

    assert (refused.status, refused.codes) == (BWRUN_FAILED, ["session.runtime-dir"])
    assert (used.status, used.stderr) == (0, "")


def test_secret(tmp_path: Path) -> None:
    """Kubectl makes of the files the keys that the manifests mount."""
    (line,) = re.findall(r"^\$ (kubectl .*)$", PAGE.text, re.MULTILINE)
    for name in re.findall(r"--from-file=(\S+)", line):
        (tmp_path / name).write_text(f"content of {name}\n")
    kubectl = program("kubectl", "kubectl is not installed")

    done = subprocess.run(
        [kubectl, *line.split()[1:], "--dry-run=client", "--output=json"],
        check=True, cwd=tmp_path, capture_output=True, encoding="utf-8", env={"HOME": str(tmp_path)},
    )  # fmt: skip
    data = json.loads(done.stdout)["data"]

    assert {name: base64.b64decode(text).decode() for name, text in data.items()} == {
        "clientid": "content of clientid\n", "clientsecret": "content of clientsecret\n",
        "user-key": "content of user-key\n",
    }  # fmt: skip
