#!/usr/bin/env python3
# timeout: 240
# waits
"""The pages of agents/ say how each is run: these commands are run as they stand there, but for ports,
data folders and how long people wait, and what the page promises happens: a deal, a vote, an alert."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE_RELEASE, TREE, WITH_US, Checks, free_port  # noqa: E402

ELSEWHERE = {"hosts"}  # example_hosts.py


def commands(name):
    """The page's first block: its lines, joined where they go on, without what explains them."""
    with open(f"agents/{name}/README.md", encoding="utf-8") as file:
        block = re.search(r"\n```\n(.*?)\n```\n", file.read(), re.S)
    text = block.group(1).replace("\\\n", " ")
    return [re.sub(r"\s+#\s.*", "", line) for line in text.split("\n")]


def replace(name, *changes):
    """In all files of an example; each change is there to be made."""
    for old, new in changes:
        found = 0
        for file in os.listdir(f"agents/{name}"):
            path = f"agents/{name}/{file}"
            with open(path, encoding="utf-8") as opened:
                text = opened.read()
            found += text.count(old)
            with open(path, "w", encoding="utf-8") as opened:
                opened.write(text.replace(old, new))
        assert found, (name, old)


def run(check, command, name):
    """`haggle run …` as it stands. Its data folder is the one it names, or has the example's name."""
    words = shlex.split(command)
    assert words[:2] == ["haggle", "run"], command
    words, options = words[2:], {"--data": name, "--listen": "127.0.0.1:0"}
    for option in options:
        if option in words:
            at = words.index(option)
            options[option] = words[at + 1]
            del words[at:at + 2]
    return check.host(options["--data"], binary=HAGGLE_RELEASE, listen=options["--listen"],
                      options=words)


def say(check, command, host):
    """Any other verb, asked of this host."""
    words = shlex.split(command)
    assert words[0] == "haggle", command
    done = check.haggle(*words[1:], "--data", host.data, binary=HAGGLE_RELEASE)
    check.that(done.returncode == 0, command, done)
    return done.stdout


def deals(host, service, status="delivered"):
    return [deal for deal in host.call("deals")
            if deal["service"] == service and deal["status"] == status]


def closes(check, host, service, status="delivered", seconds=60):
    check.eventually(lambda: deals(host, service, status), f"{host.name}: {service} is sold",
                     seconds=seconds, detail=lambda: host.said()[-800:])


def serve(name):
    """The API that a page makes, on a free port."""
    port = free_port()
    replace(name, ("localhost:8000", f"localhost:{port}"), ("http.server 8000", f"http.server {port}"))
    command = commands(name)[0]
    assert "http.server" in command, command
    return subprocess.Popen([*WITH_US, "bash", "-c", command.replace("; ", "; exec ")],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


# Examples ---------------------------------------------------------------------------------------------

def echo(check):
    start, ask = commands("echo")
    host = run(check, start, "echo")
    check.says('echo/1.0/said  {"text":"hello","times":1}', say(check, ask, host), "echo answers")


def kiosk_and_collector(check):
    """The one's command and the other's, on one port."""
    port = free_port()
    for name in ("kiosk", "collector"):
        replace(name, ("127.0.0.1:7001", f"127.0.0.1:{port}"))
    seller = run(check, commands("kiosk")[0], "kiosk")
    buyer = run(check, commands("collector")[0], "collector")
    for service in ("telemetry.load", "telemetry.memory", "telemetry.network"):
        closes(check, buyer, service)
        closes(check, seller, service)


def market_demo(check):
    north, south = commands("market-demo")
    port = free_port()
    north, south = (line.replace("127.0.0.1:7001", f"127.0.0.1:{port}")
                    .replace("127.0.0.1:7002", "127.0.0.1:0") for line in (north, south))
    hosts = run(check, north, "north"), run(check, south, "south")
    names = {agent for host in hosts for agent in host.agents.values()}
    check.eventually(lambda: any(deal["counterparty"] not in hosts[0].agents.values()
                                 for deal in deals(hosts[0], "telemetry.load")),
                     "north and south trade", seconds=60)
    check.that(len(names) == 8, "each has three agents, and the operator's", names)


def shop(check):
    host = run(check, commands("shop")[0], "shop")
    closes(check, host, "goods.apples")
    check.eventually(lambda: "dora  bought" in host.said(), "the log tells what changes hands")


def auctioneer(check):
    replace("auctioneer", ('lasts = "30s"', 'lasts = "3s"'), ('prolong = "5s"', 'prolong = "3s"'))
    host = run(check, commands("auctioneer")[0], "auctioneer")
    closes(check, host, "auction.vase", "agreed")
    closes(check, host, "auction.clock", "agreed")
    sold = deals(host, "auction.clock", "agreed")[0]
    check.that(sold["counterparty"] == host.agents["kim"] and sold["with"] == "kim",
               "who bids most wins", sold)
    say(check, f"haggle export {sold['id']} --out won.evidence", host)
    done = check.haggle("verify", "won.evidence", binary=HAGGLE_RELEASE)
    check.says("proved", done.stdout, "the bid that won is proved")


def broker(check):
    host = run(check, commands("broker")[0], "broker")
    closes(check, host, "telemetry.load")
    closes(check, host, "dealt.telemetry.load")
    with open("agents/broker/README.md", encoding="utf-8") as file:
        ask = re.search(r"`(haggle ask broker .*?)`", file.read()).group(1)
    check.says('"asking":6', say(check, ask, host), "it compares its sellers")


def council(check):
    start, move = commands("council")
    host = run(check, start, "council")
    said = say(check, move, host)
    check.says('"carried":true', said, "a motion is carried")
    check.says('"silent":0', said, "everybody votes")


def gateway(check):
    api = serve("gateway")
    host = run(check, commands("gateway")[1], "gateway")
    closes(check, host, "weather.now")
    bought = host.call("agent.state", name="collector")["value"]["readings"]["weather.now"]
    check.that([one["data"]["answer"] for one in bought.values()] == [{"celsius": 21}],
               "what the API says is delivered", bought)
    api.kill()


class Terminal:
    """A verb at a terminal."""

    def __init__(self, command, host):
        self.ours, theirs = pty.openpty()
        words = [HAGGLE_RELEASE, *shlex.split(command)[1:], "--data", host.data]
        self.process = subprocess.Popen([*WITH_US, *words], stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.text = ""

    def write(self, line):
        os.write(self.ours, line.encode() + b"\n")

    def hears(self, text, seconds):
        deadline = time.monotonic() + seconds
        while text not in self.text and time.monotonic() < deadline:
            if select.select([self.ours], [], [], 0.1)[0]:
                self.text += os.read(self.ours, 65536).decode(errors="replace")
        return text in self.text

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


def watcher(check):
    replace("watcher", ('every = "5s"', 'every = "500ms"'))
    api = serve("watcher")
    host = run(check, commands("watcher")[1], "watcher")
    chat = Terminal(commands("watcher")[2], host)
    check.that(chat.hears("watch/1.0/subscribe", 20), "chat shows what the watcher listens for", chat.text)
    chat.write("subscribe symbol=tea above=100")
    check.that(chat.hears("← subscribed", 20), "a reader subscribes", chat.text)
    with open("price.json.new", "w", encoding="utf-8") as file:
        file.write('{"price": 101}')
    os.rename("price.json.new", "price.json")

    def alerted():
        chat.write("")
        return chat.hears("← alert", 0.5)
    check.eventually(alerted, "and is alerted", detail=lambda: chat.text)
    chat.end()
    api.kill()


EXAMPLES = {
    "echo": echo, "kiosk": kiosk_and_collector, "collector": kiosk_and_collector,
    "market-demo": market_demo, "shop": shop, "auctioneer": auctioneer, "broker": broker,
    "council": council, "gateway": gateway, "watcher": watcher,
}


def main():
    with Checks() as check:
        shutil.copytree(os.path.join(TREE, "agents"), "agents")
        there = {name for name in os.listdir("agents") if os.path.isfile(f"agents/{name}/README.md")}
        check.that(there == set(EXAMPLES) | ELSEWHERE, "each example is run here", there)
        for example in dict.fromkeys(EXAMPLES.values()):
            example(check)
        check.stop_all()


main()
