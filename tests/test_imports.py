import json
import subprocess
import sys

LIGHT = ["labels", "models", "losses", "optim", "data", "visualize"]
OTHERS = ["metrics", "files", "formats", "inference"]

FRAMEWORKS = {"lightning", "pytorch_lightning", "hydra", "omegaconf", "wandb"}
SLOW = {"torchvision", "torchmetrics", "scipy"}
"""Seconds to import; LIGHT packages import them only in the functions that need them."""

PROGRAM = """
import importlib, json, sys
loaded = {}
for package in sys.argv[1:]:
    importlib.import_module(f"fcn_lightning.{package}")
    loaded[package] = [name for name in sys.modules if "." not in name]
print(json.dumps(loaded))
"""


def test_plain_packages_load_neither_lightning_nor_hydra():
    command = [sys.executable, "-c", PROGRAM, *LIGHT, *OTHERS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert {package: FRAMEWORKS & set(loaded[package]) for package in [*LIGHT, *OTHERS]} == {
        package: set() for package in [*LIGHT, *OTHERS]
    }
    assert {package: SLOW & set(loaded[package]) for package in LIGHT} == {
        package: set() for package in LIGHT
    }
