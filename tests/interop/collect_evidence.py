#!/usr/bin/env python3
"""Has two hosts close a deal and exports what both sides can prove of it: DIR/deal-HOST.evidence as
`haggle export` writes them, and DIR/live-….cbor, one evidence each.

    collect_evidence.py DIR
"""

import json
import os
import sys

import cbor2

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import TREE, Checks  # noqa: E402

AGENTS = os.path.join(TREE, "agents")


def split(path):
    """One file's evidences, each in the bytes it has there."""
    with open(path, "rb") as file:
        data = file.read()
    whole = cbor2.loads(data)
    parts = whole if isinstance(whole, list) else [whole]
    encoded = [cbor2.dumps(part, canonical=True) for part in parts]
    return data, encoded


def delivered(host):
    for deal in host.call("deals"):
        if deal["status"] == "delivered":
            return deal
    return None


def main(check, out):
    seller = check.host("seller", [os.path.join(AGENTS, "kiosk/agent.lua")],
                        options=["--allow", "kiosk:read=/proc/loadavg"])
    buyer = check.host("buyer", [os.path.join(AGENTS, "collector/agent.lua")], join=seller.url)
    deal = check.eventually(lambda: delivered(buyer), "a deal is closed and delivered", seconds=60)
    check.eventually(lambda: any(other["id"] == deal["id"] and other["status"] == "delivered"
                                 for other in seller.call("deals")), "both sides know it")
    types = {}
    for host in (seller, buyer):
        path = os.path.join(out, f"deal-{host.name}.evidence")
        done = check.haggle("export", deal["id"][:12], "--data", host.data, "--out", path)
        check.that(done.returncode == 0, f"{host.name} exports the deal", done)
        data, parts = split(path)
        check.that(len(parts) >= 4 and b"".join(parts) in data, f"{host.name}: several evidences",
                   len(parts))
        done = check.haggle("verify", path)
        check.that(done.returncode == 0, f"haggle verify accepts what {host.name} exported", done)
        done = check.haggle("verify", path, "--json")
        check.that(done.returncode == 0 and all(json.loads(line) for line in
                                                done.stdout.splitlines()), "in JSON, too", done)
        types[host.name] = {cbor2.loads(cbor2.loads(part)[6])[2] for part in parts}
        for i, part in enumerate(parts):
            with open(os.path.join(out, f"live-{host.name}-{i}.cbor"), "wb") as file:
                file.write(part)
        for at in range(0, len(data), max(1, len(data) // 40)):
            changed = bytearray(data)
            changed[at] ^= 1
            with open("changed", "wb") as file:
                file.write(changed)
            done = check.haggle("verify", "changed")
            check.that(done.returncode == 1, f"haggle verify refuses it with byte {at} changed", done)
            check.that(done.stderr or done.stdout, "and says what is wrong")
    terms = {"market/1.0/accept", "market/1.0/confirm"}
    for name, said in types.items():
        check.that(terms <= said, f"{name} can prove the accepted terms of both sides", said)
    # One message
    path = os.path.join(out, "live-message.cbor")
    done = check.haggle("export", deal["messages"][0], "--data", "buyer", "--out", path)
    check.that(done.returncode == 0 and len(split(path)[1]) == 1, "one message is exported", done)
    done = check.haggle("verify", path)
    check.that(done.returncode == 0, "and verified", done)
    # Offline: the hosts are gone, and so are their folders
    check.stop_all()
    os.rename("buyer", "elsewhere")
    done = check.haggle("verify", path)
    check.that(done.returncode == 0, "no data folder is needed to verify", done)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    target = os.path.abspath(sys.argv[1])
    os.makedirs(target, exist_ok=True)
    with Checks() as check:
        main(check, target)
