#!/usr/bin/env python3
# timeout: 300
"""All specs of the tree that make worlds, once as they are, with every Lua state given up after each
stretch of a handler, so that it is run again each time it waits, and once with Lua states kept: all that
happens has to be the same."""

import collections
import glob
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE_RELEASE, TREE, Checks  # noqa: E402

FORGETFUL = """
local test = require "haggle.test"
test.it("loses its cache", function()
  local world = test.world()
  world:agent { name = "x", source = [[
    agent.on_start(function()
      cache.there = true
      agent.sleep(10)
      log.info(cache.there and "it is there" or "it is gone")
      cache.there = true
    end)
    agent.every("later", "100ms", function()
      log.info(cache.there and "later it is there" or "later it is gone")
    end)]] }
  world:advance "1s"
end)
"""


def run(paths, *options):
    """What happened in each world, without the order of worlds: specs may make them in any."""
    done = subprocess.run([HAGGLE_RELEASE, "test", *options, "--trace", "trace", *paths],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    worlds = collections.defaultdict(list)
    with open("trace", encoding="utf-8") as file:
        for line in file:
            number, rest = line.split(" ", 1)
            worlds[number].append(rest)
    return done, sorted("".join(lines) for lines in worlds.values())


def specs():
    """Those of tests/lua that only start other processes have no world to forget in."""
    own = [path for path in sorted(glob.glob(os.path.join(TREE, "tests/lua/*_spec.lua")))
           if os.path.basename(path) not in ("check_spec.lua", "runner_spec.lua")]
    return [os.path.join(TREE, "agents"), os.path.join(TREE, "stdlib"), *own]


with Checks() as check:
    kept, before = run(specs(), "--keep-lua")
    forgetting, after = run(specs())
    check.that(kept.returncode == 0, "the specs pass when Lua states are kept",
               kept.stdout[-2000:])
    check.that(forgetting.returncode == 0, "they pass when Lua states are given up",
               forgetting.stdout[-2000:])
    check.that(len(before) == len(after) and len(before) > 60, "as many worlds",
               (len(before), len(after)))
    for one, other in zip(before, after):
        if one != other:
            pairs = zip(one.splitlines(), other.splitlines())
            check.that(False, "the same happens in a world",
                       next((pair for pair in pairs if pair[0] != pair[1]), "one is longer"))
            break
    else:
        check.that(True, "the same happens in every world")
    waits = sum(text.count('"pthid"') for text in before)
    check.that(waits > 20, "handlers have asked", waits)

    check.script("forgetful_spec.lua", FORGETFUL)
    for options, text in ((("--keep-lua",), "it is there"), ((), "it is gone")):
        _, worlds = run(["forgetful_spec.lua"], *options)
        told = "".join(worlds)
        check.that(f'"{text}"' in told and f"later {text}" in told,
                   f"with {options or 'no option'} {text}", worlds)
