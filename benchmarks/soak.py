"""Kill a run again and again at random moments and resume it each time: does it end the same?

    python benchmarks/soak.py --kills 30 [--seed 0] [--processes 1] [--folder FOLDER]

A short run with its W&B logger runs once without a stop. Then it runs again, is killed (SIGKILL to
all of its processes or to one of them, or SIGTERM) at a random moment, and continues with
resume=true. Weights, scores.json (except for its seconds) and metrics.csv must end the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

RUN = [
    "experiment=shapes", "init_from=null", "trainer=cpu", "num_workers=1", "augment.crop=64",
    "recipe.batch=4", "recipe.per_pass=2", "recipe.max_steps=60", "recipe.val_every=20",
    "backbone.widths=[4,4,8,8,8]", "backbone.fc_widths=[16,16]", "backbone.dropout=0.5",
]  # fmt: skip


def main() -> None:
    """Print a line for each kill, and fail where the ends differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    rng = random.Random(given.seed)
    own = [f"paths.data={folder / 'data'}", f"paths.runs={folder / 'runs'}"]
    if given.processes > 1:
        own += ["trainer=ddp_cpu", f"trainer.devices={given.processes}"]

    process = run(folder, [*own, "seed=1"])
    wait_for_start(process, folder)
    start = time.monotonic()
    assert process.wait() == 0
    duration = time.monotonic() - start
    whole = ends(folder)
    print(f"whole: {whole}, {duration:.1f} s after its start")

    different = kills = rounds = 0
    while kills < given.kills:
        rounds, whole_again = rounds + 1, True
        process, status = run(folder, [*own, "seed=1", "overwrite=true"]), None
        while status != 0:
            wait_for_start(process, folder)
            start = time.monotonic()
            try:
                status = process.wait(rng.uniform(0, duration) if kills < given.kills else None)
            except subprocess.TimeoutExpired:
                kills += 1
                how = rng.choice(["SIGKILL all", "SIGKILL one", "SIGTERM"])
                stop(process, how, rng)
                status = process.wait()
                print(f"{kills:3}: {how} -> {status}, {state(folder)}", flush=True)
                leave_none(process)
            if status != 0:
                process, whole_again = run(folder, [*own, "seed=1", "resume=true"]), False
        if whole_again:
            duration = time.monotonic() - start
        same = ends(folder) == whole
        different += not same
        print(f"round {rounds}: {ends(folder)} {'same' if same else 'DIFFERENT'}", flush=True)
    print(f"{kills} kills in {rounds} rounds; {different} ended differently")
    sys.exit(different > 0)


def run(folder: Path, overrides: list[str]) -> subprocess.Popen[bytes]:
    """Start a run in a session of its own; what it prints is in `printed`."""
    environment = {**os.environ, "WANDB_MODE": "offline"}
    command = [sys.executable, "-m", "fcn_lightning.cli.train", *RUN, *overrides]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "printed").open("wb") as printed:
        return subprocess.Popen(
            command, env=environment, start_new_session=True, stdout=printed, stderr=printed
        )


def wait_for_start(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until a run is at work in its folder."""
    while process.poll() is None and b"starts from" not in (folder / "printed").read_bytes():
        time.sleep(0.05)


def stop(process: subprocess.Popen[bytes], how: str, rng: random.Random) -> None:
    """Send the signal to the run's command, to one of its processes, or to all."""
    if how == "SIGTERM":
        process.terminate()
    elif how == "SIGKILL all":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        one = rng.choice(members(process.pid))
        os.kill(one, signal.SIGKILL)
        try:
            process.wait(
                60
            )  # a data loader's worker, or W&B's service, may be missed later or not at all
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def members(group: int) -> list[int]:
    """The processes of a group."""
    found = subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def leave_none(process: subprocess.Popen[bytes]) -> None:
    """Wait until the run's other processes are gone, as they must be by themselves."""
    limit = time.monotonic() + 20
    while there := members(process.pid):
        if time.monotonic() > limit:
            sys.exit(f"still there after 20 s: {there}")
        time.sleep(0.1)


def state(folder: Path) -> str:
    """How far the run was saved."""
    (run_folder,) = folder.glob("runs/shapes/*/seed1")
    last = run_folder / "checkpoints" / "last.ckpt"
    if not last.is_file():
        return "nothing saved"
    return f"saved at step {torch.load(last, weights_only=True)['global_step']}"


def ends(folder: Path) -> dict[str, str]:
    """Hashes of what a run ends with."""
    (run_folder,) = folder.glob("runs/shapes/*/seed1")
    weights = torch.load(run_folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    scores = json.loads((run_folder / "scores.json").read_text())
    del (
        scores["seconds"],
        scores["peak_memory"],
        scores["config"]["resume"],
        scores["config"]["overwrite"],
    )
    contents = {
        "weights": b"".join(value.numpy().tobytes() for value in weights.values()),
        "scores": json.dumps(scores).encode(),
        "metrics": (run_folder / "metrics.csv").read_bytes(),
    }
    return {name: hashlib.sha256(value).hexdigest()[:16] for name, value in contents.items()}


if __name__ == "__main__":
    main()
