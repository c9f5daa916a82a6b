import json
import subprocess
import sys

ROOMS = ["labels", "models", "data", "losses", "metrics", "optim", "visualize", "weights",
         "inference", "fidelity"]  # fmt: skip

PROGRAM = """
import importlib, json, sys
heavy = ("lightning", "pytorch_lightning", "hydra", "omegaconf", "wandb")
loaded = {}
for room in sys.argv[1:]:
    importlib.import_module(f"fcn_lightning.{room}")
    loaded[room] = [name for name in heavy if name in sys.modules]
print(json.dumps(loaded))
"""


def test_plain_rooms_load_neither_lightning_nor_hydra():
    command = [sys.executable, "-c", PROGRAM, *ROOMS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {room: [] for room in ROOMS}
