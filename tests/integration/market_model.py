#!/usr/bin/env python3
# timeout: 600
"""The model of stdlib/models and what trains it: the negotiations that replay_spec.lua repeats with
real agents are still those of rules.py, both files hold one network, it wins what its card says, and
agents of a real host decide by it, through the dense engine, as Python does."""

import json
import os
import re
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from hosts import Checks, Control  # noqa: E402

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


FIELDS = ("ceiling", "floor", "asking", "opening", "buyer_patience", "seller_patience", "delay",
          "buyer", "seller")

SELLER = """local market = require "haggle.market"
for _, each in ipairs(agent.config.cases) do
  market.sell {
    service = each.service, asking = each.asking, floor = each.floor,
    patience = each.seller_patience, deliver = function() return {} end,
    strategy = each.seller == "model" and { delay = each.delay } or each.seller,
  }
end"""

BUYER = """local market = require "haggle.market"
agent.on_start(function(reason)
  if reason == "created" then state.declined = 0 end
end)
for _, each in ipairs(agent.config.cases) do
  market.buy {
    service = each.service, ceiling = each.ceiling, opening = each.opening, every = "2s",
    patience = each.buyer_patience, pause = "1h", where = { price = { at_least = 0 } },
    strategy = each.buyer == "model" and { delay = each.delay } or each.buyer,
  }
end"""


# A policy that was written for another model.
MISFIT = """local decide = require "haggle.policy".new {
  model = "market", actions = { "up", "down" }, features = function() return { 1, 2 } end,
  fallback = function() return "stay" end,
}
agent.on("misfit/1.0/ask", function(message)
  local action, source, why, code = decide()
  message:reply("did", { action = action, source = source, why = why, code = code })
end)"""


def cases_of(text):
    cases = []
    for number, line in enumerate(text.splitlines()):
        words = line.split()
        case = dict(zip(FIELDS, words))
        case["service"], case["end"] = f"case.{number}", words[-1]
        case["bids"] = sum(word.startswith("b") for word in words[len(FIELDS):])
        cases.append(case)
    return cases


def host_file(cases):
    """What the host runs; opening -1 is none."""
    def table(case):
        fields = [f"{key} = {case[key]}" for key in FIELDS[:7] if case[key] != "-1"]
        fields += [f'{key} = "{case[key]}"' for key in ("buyer", "seller", "service")]
        return "{ " + ", ".join(fields) + " }"
    config = "{ cases = { " + ", ".join(map(table, cases)) + " } }"
    agents = [f'{{ name = "{name}", script = "{name}.lua", allow = {{ "infer=market" }}, '
              f"config = {config} }}" for name in ("seller", "buyer", "misfit")]
    return ('return { models = { market = "std/market.safetensors" }, agents = { '
            + ", ".join(agents) + " } }")


def outcomes(control):
    """service → how its first negotiation ended, by the buyer's records."""
    deals = [deal for deal in control.call("deals", limit=1000) if deal["role"] == "buyer"]
    return {deal["service"]: (deal["price"], deal["rounds"]) for deal in reversed(deals)}


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

    done = run("replay.py", "--trained")
    check.that(done.returncode == 0, "the trained model can be replayed", done.stderr[-2000:])
    cases = cases_of(done.stdout)
    for name, script in (("seller", SELLER), ("buyer", BUYER), ("misfit", MISFIT),
                         ("host", host_file(cases))):
        with open(f"{name}.lua", "w", encoding="utf-8") as file:
            file.write(script)
    host = check.host("market", options=["--config", "host.lua"])
    control = Control(host.data)
    expected = {case["service"]: (int(case["end"][2:]), case["bids"])
                for case in cases if case["end"][0] == "a"}
    check.eventually(lambda: len(outcomes(control)) >= len(expected), "all deals are made",
                     detail=lambda: (outcomes(control), expected))
    check.that(outcomes(control) == expected, "agents end where Python does",
               {name: (outcomes(control).get(name), expected.get(name))
                for name in {*expected, *outcomes(control)}
                if outcomes(control).get(name) != expected.get(name)})
    for name in ("seller", "buyer"):
        shown = check.haggle("state", name, '["haggle.policy"].market', "--data", host.data)
        counts = json.loads(shown.stdout)
        check.that(counts["model"] > 0 and counts["fallback"] == 0,
                   f"{name} went by the model alone", counts)
    answer = host.ask("misfit", "misfit/1.0/ask", {})["body"]
    check.that((answer["action"], answer["code"]) == ("stay", "invalid"),
               "a model that takes other inputs leaves it to the rule", answer)
    print(answer["why"])
    control.close()
    host.stop()
