#!/usr/bin/env python3
# timeout: 150
"""What `haggle verify` says of a deal's evidence: what was agreed, that both sides signed the same
terms, and whether it was delivered; and that a file of which a piece is missing, altered or of
another deal proves no deal."""

import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import TREE, Checks  # noqa: E402

AGENTS = os.path.join(TREE, "agents")


def whole_deals(host):
    return {deal["id"]: deal for deal in host.call("deals") if deal["status"] == "delivered"}


def pieces_of(check, host, deal):
    """The evidence of each message of the deal, by performative, in the order of the record."""
    pieces = {}
    for message in deal["messages"]:
        done = check.haggle("export", message, "--data", host.data, "--out", "piece")
        check.that(done.returncode == 0, "a message of the deal is exported", done)
        with open("piece", "rb") as file:
            data = file.read()
        shown = check.haggle("verify", "piece", "--json")
        check.that("deal" not in json.loads(shown.stdout), "one message alone is judged by itself",
                   shown)
        pieces[json.loads(shown.stdout)["message"]["type"].rsplit("/", 1)[1]] = data
    return pieces


def write(name, *pieces):
    """A list of evidence in CBOR."""
    with open(name, "wb") as file:
        file.write(bytes([0x80 + len(pieces)]) + b"".join(pieces))
    return name


with Checks() as check:
    seller = check.host("seller", [os.path.join(AGENTS, "kiosk/agent.lua")],
                        options=["--allow", "kiosk:read=/proc/loadavg"])
    buyer = check.host("buyer", [os.path.join(AGENTS, "collector/agent.lua")], join=seller.url)
    check.eventually(lambda: len(whole_deals(buyer)) >= 2, "two deals are closed and delivered",
                     seconds=90)
    one, other = list(whole_deals(buyer).values())[:2]
    check.eventually(lambda: one["id"] in whole_deals(seller), "the seller knows it, too")

    # Either side's export proves the same deal
    told = {}
    for host in (seller, buyer):
        done = check.haggle("export", one["id"][:10], "--data", host.data, "--out", "deal")
        check.that(done.returncode == 0, f"{host.name} exports the deal", done)
        done = check.haggle("verify", "deal", "--deal", one["id"])
        check.that(done.returncode == 0, f"{host.name}: it is the deal", done)
        for words in ("deal proved: both sides signed the same terms", "accepted", "confirmed",
                      "by the seller (time claimed by the host " + seller.did, "received"):
            check.says(words, done.stdout, f"{host.name}: verify")
        check.that("no evidence" not in done.stdout, f"{host.name}: delivered and received", done)
        lines = [json.loads(line) for line in
                 check.haggle("verify", "deal", "--json").stdout.splitlines()]
        told[host.name] = lines[-1]["deal"]
        check.that([line for line in lines[:-1] if "message" not in line] == [],
                   "each piece has a line of its own", lines)
    check.that(told["seller"] == told["buyer"], "both sides prove the same", told)
    deal = told["buyer"]
    check.that(deal["id"] == one["id"] and deal["price"] == one["price"]
               and deal["service"] == one["service"] and deal["seller"] == one["counterparty"]
               and deal["buyer"] == buyer.agents["collector"], "what both books say", (deal, one))
    check.that({deal["accepted"]["by"], deal["confirmed"]["by"]} == {"buyer", "seller"},
               "each side signed", deal)
    check.that(deal["delivered"]["host"] == seller.did and deal["received"]["host"] == buyer.did
               and deal["declined"] is None, "by whose host it was said", deal)

    # What is missing, swapped or of another deal
    mine, theirs = pieces_of(check, buyer, one), pieces_of(check, buyer, other)
    check.stop_all()
    terms = (mine["accept"], mine["confirm"])
    done = check.haggle("verify", write("file", *terms))
    check.that(done.returncode == 0, "the terms alone are a deal", done)
    check.says("no evidence of a delivery", done.stdout, "without a delivery")
    done = check.haggle("verify", "--json", "file")
    check.that(json.loads(done.stdout.splitlines()[-1])["deal"]["delivered"] is None, "nor in JSON",
               done)
    for what, pieces, words in (
        ("a missing confirmation", (mine["accept"], mine["deliver"], mine["received"]),
         "one side's signature is missing"),
        ("a missing acceptance", (mine["confirm"], mine["deliver"]),
         "one side's signature is missing"),
        ("an acceptance alone", (mine["accept"],), "one side's signature is missing"),
        ("the acceptance of another deal", (theirs["accept"], mine["confirm"]), "another deal"),
        ("the confirmation of another deal", (mine["accept"], theirs["confirm"]), "another deal"),
        ("the delivery of another deal", (*terms, theirs["deliver"], mine["received"]),
         "evidence 3 of 4 is of another deal"),
        ("two deals", (*terms, theirs["accept"], theirs["confirm"]), "another deal"),
    ):
        done = check.haggle("verify", write("file", *pieces))
        check.that(done.returncode == 1, f"{what}: refused", done)
        check.says(words, done.stderr, what)
        check.that("proved:" not in done.stdout, f"{what}: nothing is shown as proved", done)
        done = check.haggle("verify", "--json", "file")
        check.that(done.returncode == 1 and "error" in json.loads(done.stdout),
                   f"{what}: in JSON as well", done)
    done = check.haggle("verify", write("file", *terms), "--deal", other["id"])
    check.that(done.returncode == 1, "another deal than the one asked for", done)
    done = check.haggle("verify", "piece", "--deal", one["id"])
    check.that(done.returncode == 1, "a message is no deal", done)
    whole = open(write("file", *terms), "rb").read()
    for at in range(0, len(whole), 23):
        changed = bytearray(whole)
        changed[at] ^= 1
        with open("changed", "wb") as file:
            file.write(changed)
        done = check.haggle("verify", "changed")
        check.that(done.returncode == 1 and "proved:" not in done.stdout,
                   f"refused with byte {at} changed", done)
