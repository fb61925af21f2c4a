#!/usr/bin/env python3
# timeout: 240
"""Every benchmark runs to its end and says what was measured, in a small size; how fast anything is does
not matter here."""

import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE_RELEASE, Checks  # noqa: E402

NAMES = ("remote", "local", "latency", "start", "restart", "pause", "density", "wake", "replay",
         "infer", "viewers")
SMALL = ("--seconds", "1", "--entries", "2000", "--agents", "1500", "--json")

with Checks() as check:
    subprocess.run([os.path.join(os.environ["BUILD"], "tests/make_gguf"), "tiny.gguf"], check=True)
    done = check.haggle("bench", *SMALL, "--gguf", "tiny.gguf", timeout=220, binary=HAGGLE_RELEASE)
    check.that(done.returncode == 0, "the benchmarks run", done.stderr[-1500:])
    results = {result["name"]: result for result in map(json.loads, done.stdout.splitlines())}
    check.that(tuple(results) == NAMES, "each gives one object, in the order of the help",
               list(results))
    for name, result in results.items():
        # How much slower it is beside viewers may be less than what varies.
        check.that((result["value"] > 0 or name == "viewers") and result["unit"],
                   f"{name} has a value and a unit", result)
        ceilings = result["ceilings"]
        check.that(all(ceilings[key] > 0 for key in
                       ("verifications_per_s", "signatures_per_s", "commits_per_s")),
                   f"{name} stands beside the ceilings of its run", ceilings)
    density = results.get("density", {})
    check.that(density.get("registered_agents") == 1500
               and density.get("registered_agents_per_gib", 0) > 0,
               "density also says how many agents may be registered", density)
    wake = results.get("wake", {})
    check.that(wake.get("percentiles", {}).get("samples", 0) > 0, "wake has samples", wake)
    infer = results.get("infer", {})
    check.that([row["agents"] for row in infer.get("agents", [])] == [1, 1, 10, 100, 1000, 1000]
               and all(row["calls_per_s"] > 0 and row["p99_ms"] >= row["p50_ms"] > 0
                       and row["bystander_ms"]["samples"] > 0 for row in infer["agents"]),
               "infer has a row for each number of agents", infer)
    check.that(infer.get("speedup", 0) > 0 and infer.get("speedup_over_batches_of_one", 0) > 0
               and all(row["loop_us"] > 0 for row in infer["agents"]),
               "what batches are worth is said, and what a decision costs the loop", infer)
    on_cpu = [row["device"].startswith("cpu") for row in infer["agents"]]
    may = [False, True, True, True, True, False]
    check.that([row["on_loop"] > 0 for row in infer["agents"]] == [a and b for a, b in zip(may, on_cpu)],
               "a model that is quick runs on the loop unless it is told not to", infer)
    check.that([row["agents"] for row in infer.get("language", [])] == [1, 4, 16]
               and all(row["tokens_per_s"] > 0 for row in infer["language"]),
               "and one for each number of those who ask a language model", infer)
    viewers = results.get("viewers", {})
    check.that(viewers.get("messages_per_s_seen", 0) > 0 and viewers["bytes_per_s_of_viewer"] > 1000,
               "viewers saw something while agents traded", viewers)
    for way in ("by_part", "by_loop", "by_clock"):
        said = viewers.get(way, {})
        check.that(said.get("low", 1) <= said.get("estimate", 0) <= said.get("high", -1),
                   f"how much slower it is {way} stands in an interval", said)
    check.that(viewers.get("value") == viewers.get("by_part", {}).get("estimate") > 0
               and 0 < viewers.get("loop_busy", 0) <= 1.01,
               "the loop's own time decides, of which it says how much is used", viewers)
    shown = check.haggle("bench", "infer", "--seconds", "1", timeout=60, binary=HAGGLE_RELEASE)
    check.says("over one call at a time, ", shown.stdout, "people are shown them, too")
    unknown = check.haggle("bench", "wkae", binary=HAGGLE_RELEASE)
    check.that(unknown.returncode == 2 and "no benchmark 'wkae'" in unknown.stderr,
               "an unknown one is named", unknown.stderr)
