"""Two Ray nodes on this machine: the same records as one worker's, though one node is killed."""

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from ray.util import get_node_ip_address

from tests.helpers.sweeps import (
    N_TRIALS,
    PROGRAM,
    command,
    descendants_of,
    ended,
    has_recorded,
    recorded,
    start,
    tables,
    title,
    workers_of,
)
from tests.helpers.time_limits import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CLUSTER = {
    # As docs/cluster.md has it: a busy node answers late, and is not dead for that.
    "RAY_health_check_timeout_ms": "60000",
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": uuid.uuid4().hex,
}


METHODS = "contrastive,siglip,pca,constant"
"""Long enough for both nodes to have work when one of them is killed."""


def kill_all(process: "subprocess.Popen[bytes]") -> None:
    for pid in [process.pid, *descendants_of(process.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


@contextmanager
def ray_node(*words: str, blind_to: tuple[Path, ...] = ()) -> Iterator["subprocess.Popen[bytes]"]:
    """A node of two CPUs; folders it is blind to are empty ones of its own there."""
    ray = [str(PROGRAM.with_name("ray")), "start", *words, "--num-cpus", "2", "--block"]
    ray.append("--disable-usage-stats")
    if blind_to:
        mounts = "".join(f"mount -t tmpfs none {shlex.quote(str(path))} && " for path in blind_to)
        ray = ["unshare", "--mount", "sh", "-c", f"{mounts} exec {shlex.join(ray)}"]
    process = subprocess.Popen(
        ray,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **CLUSTER},
    )
    try:
        yield process
    finally:
        kill_all(process)


def free_port(host: str) -> int:
    with socket.socket() as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])


def listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def can_hide_folders() -> bool:
    words = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def has_joined(node: "subprocess.Popen[bytes]") -> bool:
    assert node.poll() is None
    # Workers come with a sweep; the node's agents say that it is up.
    return any(title(pid).startswith("ray::") for pid in descendants_of(node.pid))


def works(node: "subprocess.Popen[bytes]") -> bool:
    """Whether an actor of Tune lives on it; Ray's own processes begin otherwise."""
    return any(title(pid).startswith("ray::_") for pid in workers_of(node.pid))


def test_a_node_that_is_killed_costs_no_record(tmp_path: Path) -> None:
    """The second node sees neither the results folder nor the driver's scratch folder."""
    alone, results, scratch = (tmp_path / name for name in ("alone", "results", "scratch"))
    code, out, err = ended(start(command(alone, "--workers", "1", methods=METHODS)))
    assert code == 0, out + err

    results.mkdir()
    scratch.mkdir()
    host = get_node_ip_address()  # type: ignore[no-untyped-call]
    port = free_port(host)
    hidden = (results, scratch) if can_hide_folders() else ()
    with ExitStack() as nodes:
        # Not below tmp_path: the paths of Ray's sockets may have 107 characters.
        short = nodes.enter_context(tempfile.TemporaryDirectory(prefix="ray-"))
        head = ["--head", "--port", str(port), "--temp-dir", short]
        first = nodes.enter_context(ray_node(*head, "--include-dashboard", "false"))
        wait_until(partial(listens, host, port))
        wait_until(partial(has_joined, first))
        other = nodes.enter_context(ray_node("--address", f"{host}:{port}", blind_to=hidden))
        wait_until(partial(has_joined, other))
        words = command(results, "--address", f"{host}:{port}", methods=METHODS)
        run = start(words, TMPDIR=str(scratch), **CLUSTER)
        nodes.callback(run.kill)
        wait_until(lambda: works(other) or run.poll() is not None)
        wait_until(partial(has_recorded, run, results, N_TRIALS // 6))
        assert run.poll() is None, ended(run)
        kill_all(other)
        code, out, err = ended(run)
    assert code == 0, out + err
    assert tables(results) == tables(alone)
    assert set(Counter(recorded(results)).values()) == {1}
    assert len(recorded(results)) == N_TRIALS


def test_an_address_without_a_cluster_is_one_line(tmp_path: Path) -> None:
    code, _, err = ended(start(command(tmp_path, "--address", "127.0.0.1:1")))
    assert code == 2
    assert (
        err == "error: --address: expected a Ray cluster that answers, found none at '127.0.0.1:1'"
    )
    assert not recorded(tmp_path)
