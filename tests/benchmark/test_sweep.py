"""What a sweep needs of Ray that Ray does not give by itself."""

import subprocess
import sys
from pathlib import Path

COLLECTED_WHILE_RAY_ENDS = """
import gc, sys, threading, time
from pathlib import Path

import ray
from benchmark.engine import sweep

ours = ray._private.worker.global_worker

def collect():
    while ours.connected:
        time.sleep(0.0002)
    time.sleep(0.01)
    gc.collect()

with sweep._ray(Path(sys.argv[1]), 1, None):
    gc.disable()
    for number in range(100):
        ring = [ray.put(number)]
        ring.append(ring)
    del ring
    thread = threading.Thread(target=collect)
    thread.start()
thread.join()
print("whole")
"""


def test_a_thread_that_collects_garbage_while_ray_ends_does_not_end_the_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECTED_WHILE_RAY_ENDS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr
