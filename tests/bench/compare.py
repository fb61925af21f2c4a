"""Measures and tabulates; tests/bench/compare prepares what it runs and starts it."""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time

BENCH = pathlib.Path(__file__).resolve().parent
LOOPBACK = "127.0.0.1"
READY_S = 20  # for a server to answer
# Durable and exactly once, as its defaults are (sync_interval 2 min, redelivery until acknowledged).
JETSTREAM = ("server, synced every 2 min", "no (at least once)")
NATS_DRAIN = 6  # a consumer may need that many times as long as its publisher


class NotMeasured(Exception):
    """Why a system has no figure."""


class Row:
    """One line of the table; `rate` is None, and `note` says why, when it was not measured."""

    def __init__(self, system, signed, durable, exactly_once):
        self.system = system
        self.signed = signed
        self.durable = durable
        self.exactly_once = exactly_once
        self.rate = None
        self.note = None
        self.messages = None

    def measure(self, function, *arguments):
        """Takes (messages or None, rate) from the function."""
        print(f"Measuring {self.system}", file=sys.stderr)
        try:
            self.messages, self.rate = function(*arguments)
        except (NotMeasured, OSError, ValueError, subprocess.SubprocessError) as error:
            self.note = str(error) or type(error).__name__

    def as_object(self, haggle_rate):
        return {
            "system": self.system,
            "value": self.rate,
            "unit": "messages/s",
            "messages": self.messages,
            "signed": self.signed,
            "durable": self.durable,
            "exactly_once": self.exactly_once,
            "ratio_to_haggle": ratio(self.rate, haggle_rate),
            "note": self.note,
        }


def ratio(rate, haggle_rate):
    return rate / haggle_rate if rate and haggle_rate else None


@contextlib.contextmanager
def child(*command, folder, **options):
    """A process in a group of its own, which is gone afterwards."""
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        **options,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def result_of(process, timeout_s):
    """The JSON object that a peer prints last."""
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"{process.args[0]} did not finish in {timeout_s:.0f} s") from None
    if process.returncode != 0 or not output.strip():
        raise NotMeasured(f"{process.args[0]} ended with status {process.returncode}")
    return json.loads(output.strip().splitlines()[-1])


def rate_of(result):
    if result["errors"] or result["count"] == 0 or result["seconds"] <= 0:
        raise NotMeasured(f"{result['count']} messages, {result['errors']} errors")
    return result["count"], result["count"] / result["seconds"]


def free_ports(count):
    """Consecutive loopback ports that nobody listens on now."""
    for first in range(21000, 31000, 10):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    probe = stack.enter_context(socket.socket())
                    probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return first
    raise NotMeasured("no free ports")


# Haggle ------------------------------------------------------------------------------------------


def haggle_remote(binary, seconds, folder):
    if not binary.exists():
        raise NotMeasured("not built")
    command = (binary, "bench", "remote", "--json", "--seconds", seconds)
    with child(*command, folder=folder, stdout=subprocess.PIPE) as process:
        try:
            output, _ = process.communicate(timeout=60 + 6 * seconds)
        except subprocess.TimeoutExpired:
            raise NotMeasured("haggle bench did not finish") from None
    for line in output.splitlines():
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if found.get("name") == "remote" and found.get("unit") == "messages/s":
                return found.get("messages"), float(found["value"])
    raise NotMeasured(f"haggle bench printed no figure (status {process.returncode})")


# uAgents -----------------------------------------------------------------------------------------


def uagents_remote(python, seconds, folder):
    if not python.exists():
        raise NotMeasured("not installed")
    port = free_ports(2)
    peer = (python, "-B", BENCH / "uagents_peer.py")
    with child(*peer, "receive", port, folder=folder, stdout=subprocess.PIPE) as receiver:
        address = receiver.stdout.readline().strip()
        if not address:
            raise NotMeasured("the receiver did not start")
        wait_for_port(port)
        command = (*peer, "send", port, address, seconds)
        with child(*command, folder=folder, stdout=subprocess.PIPE) as sender:
            result_of(sender, READY_S + 3 * seconds)
        return rate_of(result_of(receiver, READY_S))


def wait_for_port(port):
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
            return
        time.sleep(0.05)
    raise NotMeasured(f"nothing listens on port {port}")


# NATS JetStream ----------------------------------------------------------------------------------


@contextlib.contextmanager
def nats_server(folder):
    """Yields the URL of a fresh server that keeps its streams in files under the folder."""
    port = free_ports(1)
    store = pathlib.Path(tempfile.mkdtemp(dir=folder))
    command = ("nats-server", "-a", LOOPBACK, "-p", port, "-js", "-sd", store)
    log = open(store / "server.log", "w", encoding="utf-8")
    with log, child(*command, folder=store, stdout=log, stderr=log):
        wait_for_port(port)
        yield f"nats://{LOOPBACK}:{port}"


def nats_persisted(peer, seconds, folder):
    """A publisher alone: what the server stores."""
    with nats_server(folder) as url:
        command = (peer, "publish", url, seconds)
        with child(*command, folder=folder, stdout=subprocess.PIPE) as publisher:
            return rate_of(result_of(publisher, READY_S + 3 * seconds))


def nats_consumed(peer, seconds, folder):
    """Publisher and consumer at once: what the consumer has received and acknowledged."""
    limit_s = NATS_DRAIN * seconds
    with nats_server(folder) as url:
        consume = (peer, "consume", url, limit_s)
        publish = (peer, "publish", url, seconds)
        with child(*consume, folder=folder, stdout=subprocess.PIPE) as consumer:
            with child(*publish, folder=folder, stdout=subprocess.PIPE) as publisher:
                published = result_of(publisher, READY_S + 3 * seconds)
            consumed = result_of(consumer, READY_S + limit_s)
    if consumed["count"] < published["count"]:
        raise NotMeasured(f"{consumed['count']} of {published['count']} messages consumed")
    return rate_of(consumed)


# The table ---------------------------------------------------------------------------------------


def machine():
    model = platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = models[0] if models else model
    return {"cores": len(os.sched_getaffinity(0)), "cpu": model, "kernel": platform.release()}


def print_table(rows, facts, seconds):
    heads = ("system", "messages/s", "signed?", "durable?", "exactly once?", "ratio to Haggle")
    lines = [heads]
    for row in rows:
        share = ratio(row.rate, rows[0].rate)
        lines.append((
            row.system,
            row.note if row.rate is None else f"{row.rate:,.0f}",
            row.signed,
            row.durable,
            row.exactly_once,
            "-" if share is None else f"{share:.4f}" if share < 0.01 else f"{share:.2f}",
        ))
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    right = (1, 5)
    for line in lines:
        cells = (
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        )
        print("  ".join(cells).rstrip())
    print()
    print(f"600-byte messages between two processes, {seconds} s each, on {facts['cores']} cores of "
          f"{facts['cpu']}.")


def seconds_limit(text):
    seconds = int(text)
    if not 1 <= seconds <= 30:
        raise argparse.ArgumentTypeError("1 to 30 seconds")
    return seconds


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/compare")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=seconds_limit, default=5, metavar="N")
    parser.add_argument("--haggle", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--made", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    # An interrupted or terminated run still ends its children and removes its files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    rows = [
        Row("Haggle", "yes", "both sides, synced", "yes"),
        Row("Fetch.ai uAgents 0.26", "yes", "no", "no (at most once)"),
        Row("NATS JetStream, published and stored", "no", *JETSTREAM),
        Row("NATS JetStream, stored and consumed", "no", *JETSTREAM),
    ]
    haggle, uagents, persisted, consumed = rows
    nats_peer = options.made / "nats_peer"
    with tempfile.TemporaryDirectory(prefix="haggle-compare-", dir=options.made) as folder:
        os.environ["TMPDIR"] = folder  # all on one disk
        haggle.measure(haggle_remote, options.haggle, options.seconds, folder)
        uagents.measure(
            uagents_remote, options.made / "venv/bin/python", options.seconds, folder)
        persisted.measure(nats_persisted, nats_peer, options.seconds, folder)
        consumed.measure(nats_consumed, nats_peer, options.seconds, folder)

    facts = machine()
    if options.json:
        print(json.dumps({
            "name": "compare",
            "payload_bytes": 600,
            "seconds": options.seconds,
            "machine": facts,
            "systems": [row.as_object(haggle.rate) for row in rows],
        }))
    else:
        print_table(rows, facts, options.seconds)
    return 0 if all(row.rate for row in rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
