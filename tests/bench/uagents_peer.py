"""One side of the uAgents exchange that tests/bench/compare measures.

    uagents_peer.py receive PORT               prints its address, then one JSON object at the end
    uagents_peer.py send PORT ADDRESS SECONDS  600 bytes a message, several in flight

Delivery is the framework's own: a signed envelope posted over HTTP, verified by the receiver. A
message counts when the receiver's handler has seen it. Nothing leaves loopback: no registration, no
telemetry, no look at the ledger (which is native code and bypasses the hook), a fixed resolver, and
an audit hook that ends the process at any other address.
"""

import asyncio
import ipaddress
import json
import os
import sys
import time


def refuse_outside(event, arguments):
    """Name look-ups and connections to anything but loopback are a fault of this benchmark."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.bind") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = host == "localhost"
    if not inside:
        print(f"uagents_peer: {event} to {host!r} refused", file=sys.stderr, flush=True)
        os._exit(3)


sys.addaudithook(refuse_outside)

import uagents.agent  # noqa: E402  (after the hook, so that imports are watched too)
import uagents.asgi  # noqa: E402
from uagents import Agent, Context, Model  # noqa: E402
from uagents.resolver import RulesBasedResolver  # noqa: E402
from uagents_core.types import DeliveryStatus  # noqa: E402

uagents.asgi.HOST = "127.0.0.1"  # the framework listens on every interface otherwise
uagents.agent.get_almanac_contract = lambda _network: None  # asks the ledger for its version

PAYLOAD = "m" * 600
IN_FLIGHT = 16
MESSAGES_MAX = 100_000


class Exchange(Model):
    text: str


class Finished(Model):
    sent: int


class LocalAgent(Agent):
    async def _update_agent_status(self, active: bool):
        """Would tell the public Almanac that this agent is up."""


def local_agent(name, port, rules):
    return LocalAgent(
        name=name,
        seed=f"haggle comparison {name}",
        port=port,
        resolve=RulesBasedResolver(rules),
        enable_agent_inspector=False,
        publish_agent_details=False,
        mark_inactive_on_shutdown=False,
        report_events=False,
        log_level="ERROR",
        shutdown_timeout=2.0,
    )


def finish(**result):
    """The framework's own shutdown takes seconds and says nothing more."""
    print(json.dumps(result), flush=True)
    os._exit(0)


def receive(port):
    agent = local_agent("receiver", port, {})
    handled = 0
    first = last = 0.0

    @agent.on_message(Exchange)
    async def on_exchange(_context: Context, _sender: str, message: Exchange):
        nonlocal handled, first, last
        last = time.monotonic()
        first = first or last
        if message.text == PAYLOAD:
            handled += 1

    @agent.on_message(Finished)
    async def on_finished(_context: Context, _sender: str, message: Finished):
        asyncio.get_running_loop().call_later(
            0.2, lambda: finish(count=handled, seconds=last - first, errors=message.sent - handled)
        )

    @agent.on_event("startup")
    async def on_startup(_context: Context):
        print(agent.address, flush=True)

    agent.run()


def send(port, address, seconds):
    agent = local_agent("sender", port + 1, {address: f"http://127.0.0.1:{port}/submit"})

    @agent.on_event("startup")
    async def on_startup(context: Context):
        sent = 0
        deadline = time.monotonic() + seconds

        async def keep_sending():
            nonlocal sent
            while time.monotonic() < deadline and sent < MESSAGES_MAX:
                status = await context.send(address, Exchange(text=PAYLOAD))
                if status.status != DeliveryStatus.DELIVERED:
                    sys.exit(f"uagents_peer: not delivered: {status.detail}")
                sent += 1

        start = time.monotonic()
        await asyncio.gather(*(keep_sending() for _ in range(IN_FLIGHT)))
        elapsed = time.monotonic() - start
        await context.send(address, Finished(sent=sent))
        finish(count=sent, seconds=elapsed, errors=0)

    agent.run()


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(int(sys.argv[2]))
    else:
        send(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
