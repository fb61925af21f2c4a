#!/usr/bin/env python3
# timeout: 600
"""The model of stdlib/models and what trains it: the negotiations that replay_spec.lua repeats with
real agents are still those of rules.py, both files hold one network, and it wins what its card says."""

import json
import os
import re
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from hosts import Checks  # noqa: E402

TREE = os.path.abspath(os.path.join(HERE, "../.."))
MODELS = os.path.join(TREE, "stdlib/models")
TRAIN = os.path.join(MODELS, "train")


def read(path, mode="rb"):
    with open(path, mode) as file:
        return file.read()


def python_with_numpy():
    """A virtual environment with the NumPy that requirements.txt pins; made once."""
    pinned = re.search(r"^numpy==.*$", read(os.path.join(TRAIN, "requirements.txt"), "r"), re.M)[0]
    folder = os.path.join(TREE, "build/market-venv")
    stamp = os.path.join(folder, "installed")
    if not os.path.exists(stamp) or read(stamp, "r") != pinned:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([f"{folder}/bin/python", "-m", "pip", "install", "--quiet",
                        "--disable-pip-version-check", pinned], check=True)
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(pinned)
    return f"{folder}/bin/python"


def tensors_of(path):
    data = read(path)
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    return {name: data[8 + size:][slice(*entry["data_offsets"])]
            for name, entry in header.items() if name != "__metadata__"}


with Checks() as check:
    python = python_with_numpy()

    def run(script, *arguments):
        return subprocess.run([python, "-B", os.path.join(TRAIN, script), *arguments],
                              capture_output=True, text=True, check=False)

    done = run("replay.py")
    check.that(done.returncode == 0 and done.stdout == read(os.path.join(TRAIN, "replay.txt"), "r"),
               "rules.py negotiates as replay.txt says", done.stderr[-2000:])

    as_onnx = read(os.path.join(MODELS, "market.onnx"))
    for name, data in tensors_of(os.path.join(MODELS, "market.safetensors")).items():
        check.that(data in as_onnx and name.encode() in as_onnx, f"market.onnx holds {name}")

    done = run("evaluate.py")
    check.that(done.returncode == 0, "it can be evaluated", done.stderr[-2000:])
    card = read(os.path.join(MODELS, "README.md"), "r")
    tables = [line for line in done.stdout.splitlines() if line.startswith(("|", "-", "Gain"))]
    check.that(len(tables) > 30, "the evaluation shows its tables", done.stdout)
    missing = [line for line in tables if line not in card]
    check.that(not missing, "the card says what the evaluation shows", missing[:3])
    gains = re.findall(r"Gain over `\w+`, the best rule: (-?[0-9.]+) ±(\d\.\d+)", done.stdout)
    check.that(len(gains) == 2 and all(float(gain) > float(error) for gain, error in gains),
               "in either role it wins more than any rule", gains)
