#!/usr/bin/env python3
# timeout: 240
# waits
"""The host files of agents/hosts run as they stand there, but for addresses: a laptop, a server with fifty
agents, and two hosts behind nginx that find each other and close deals through it, also after nginx has
been reloaded."""

import http.client
import os
import re
import shutil
import ssl
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from feed import Feed, Refused  # noqa: E402
from hosts import TREE, WITH_US, Checks, free_port  # noqa: E402

KEY = re.compile(r"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK")


def adapt(path, *changes):
    """Each change is there to be made, at least once."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for old, new in changes:
        assert old in text, (path, old)
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def laptop(check):
    adapt("agents/hosts/laptop.lua", ("wss://haggle.example.org", "wss://127.0.0.1:1"))
    host = check.host("laptop", options=["--config", "agents/hosts/laptop.lua"])
    check.that(set(host.agents) == {"operator", "collector", "echo"}, "the laptop's agents run", host.agents)
    check.that(host.body("echo", "echo/1.0/say", {"text": "hi"})["text"] == "hi", "and answer")
    check.that(host.call("log") == {"level": "info", "agents": {"collector": "warn"}}, "levels are set")
    check.that(host.stop() == 0, "the laptop ends well")
    check.that(os.path.exists("agents/hosts/laptop.log"), "its log is beside the host file")


def server(check):
    host = check.host("server", options=["--config", "agents/hosts/server.lua"])
    check.that(len(host.agents) == 51, "fifty agents run, and the operator's", len(host.agents))
    agents = {agent["name"]: agent for agent in host.call("agents")}
    check.that(all(agent["status"] == "running" for agent in agents.values()), "all of them")
    check.that(agents["kiosk-20"]["group"] == "sellers" and agents["archive"]["group"] == "buyers",
               "in their groups")
    check.eventually(lambda: len(host.call("find", query="service=telemetry.load")) == 20,
                     "sellers offer what they may read")
    check.eventually(lambda: host.call("deals"), "and deals are closed among them")
    check.that(host.stop() == 0, "the server ends well")


class Nginx:
    """Debian's, in a folder of its own, on free ports of the loopback, as whoever runs the test."""

    def __init__(self, conf, ports):
        folder = os.path.abspath("nginx")
        os.mkdir(folder)
        self.pid = os.path.join(folder, "pid")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                        "-subj", "/CN=example.org", "-keyout", f"{folder}/key.pem",
                        "-out", f"{folder}/certificate.pem"], check=True, capture_output=True)
        for name, (outside, inside) in ports.items():
            number = {"east": 7001, "west": 7002}[name]
            adapt(conf, (f"listen 443 ssl;\n    server_name {name}.",
                         f"listen 127.0.0.1:{outside} ssl;\n    server_name {name}."),
                  (f"http://127.0.0.1:{number}", f"http://127.0.0.1:{inside}"))
        # A machine's own configuration names the folders for what it sets aside.
        scratch = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        adapt(conf, ("/etc/letsencrypt/live/example.org/fullchain.pem", f"{folder}/certificate.pem"),
              ("/etc/letsencrypt/live/example.org/privkey.pem", f"{folder}/key.pem"),
              ("/run/nginx.pid", self.pid), ("/var/log/nginx/error.log", f"{folder}/error.log"),
              ("http {\n", "http {\n" + scratch), ("worker_shutdown_timeout 10s", "worker_shutdown_timeout 1s"),
              ("worker_processes auto", "worker_processes 1"))
        self.command = ["nginx", "-e", f"{folder}/error.log", "-p", folder, "-c", os.path.abspath(conf)]
        self.errors = f"{folder}/error.log"
        self.process = subprocess.Popen([*WITH_US, *self.command, "-g", "daemon off;"],
                                        stdin=subprocess.DEVNULL)

    def workers(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return set(file.read().split())

    def reload(self):
        subprocess.run([*self.command, "-s", "reload"], check=True, capture_output=True)

    def said(self):
        with open(self.errors, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


def deals(host):
    return len([deal for deal in host.call("deals") if deal["status"] == "delivered"])


def browser(check, port, host):
    """The dashboard through the proxy, as a browser asks for it; only its own page, only with a token."""
    token = host.call("dashboard")["operator"].split("#token=")[1]
    page = f"https://127.0.0.1:{port}"
    feed = Feed(port, tls=True, headers={"Origin": page})
    check.that(feed.ask("hello", token=token)["result"]["role"] == "operator", "the feed goes through nginx")
    feed.close()
    try:
        Feed(port, tls=True, headers={"Origin": "https://127.0.0.1"})
        check.that(False, "a page of another port is refused behind nginx")
    except Refused as refused:
        check.that(refused.status == 403, "a page of another port is refused behind nginx", refused)
    for path, wanted in (("/", (200, 503)), ("/healthz", (200,)), ("/metrics", (401,))):
        client = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=ssl._create_unverified_context())
        client.request("GET", path, headers={"Accept-Encoding": "gzip"})
        check.that((status := client.getresponse().status) in wanted, f"{path} through nginx", status)
        client.close()


def behind_nginx(check):
    folder = "agents/hosts/behind-nginx"
    ports = {name: (free_port(), free_port()) for name in ("east", "west")}
    for name, (outside, inside) in ports.items():
        adapt(f"{folder}/{name}.lua", (f"wss://{name}.example.org", f"wss://127.0.0.1:{outside}"),
              ("127.0.0.1:7001" if name == "east" else "127.0.0.1:7002", f"127.0.0.1:{inside}"))
    nginx = Nginx(f"{folder}/nginx.conf", ports)
    try:
        east = check.host("east", options=["--config", f"{folder}/east.lua"], listen=f"127.0.0.1:{ports['east'][1]}")
        check.that(f"wss://127.0.0.1:{ports['east'][0]}#" in east.url, "east tells where the proxy is", east.url)
        adapt(f"{folder}/west.lua", ("wss://east.example.org", f"wss://127.0.0.1:{ports['east'][0]}"))
        with open(f"{folder}/west.lua", encoding="utf-8") as file:
            text = KEY.sub(east.did, file.read())
        with open(f"{folder}/west.lua", "w", encoding="utf-8") as file:
            file.write(text)
        west = check.host("west", options=["--config", f"{folder}/west.lua"],
                          listen=f"127.0.0.1:{ports['west'][1]}")
        check.eventually(lambda: west.linked(east.did), "west is linked with east through nginx",
                         detail=lambda: west.said()[-800:] + nginx.said()[-800:])
        check.eventually(lambda: len(west.call("find", query="service=telemetry.load region=east")) == 1,
                         "what east offers is found in west")
        check.eventually(lambda: deals(west) > 0, "a deal goes through", seconds=60,
                         detail=lambda: west.call("deals")[:2])
        said = west.body(east.agents["echo"], "echo/1.0/say", {"text": "through"})
        check.that(said["text"] == "through", "and a message", said)
        browser(check, ports["east"][0], east)
        before, old = deals(west), nginx.workers()
        nginx.reload()
        check.eventually(lambda: nginx.workers() and not nginx.workers() & old, "nginx has new workers")
        check.eventually(lambda: west.linked(east.did), "the link comes back")
        said = west.body(east.agents["echo"], "echo/1.0/say", {"text": "again"})
        check.that(said["text"] == "again", "a message goes through after a reload", said)
        check.eventually(lambda: deals(west) > before, "and deals", seconds=60)
        check.that(west.stop() == 0 and east.stop() == 0, "both end well")
    finally:
        check.that(nginx.stop() == 0, "nginx ends well")
    check.that("[emerg]" not in nginx.said() and "[alert]" not in nginx.said(), "without a complaint",
               nginx.said()[-800:])


def main():
    with Checks() as check:
        shutil.copytree(os.path.join(TREE, "agents"), "agents")
        laptop(check)
        server(check)
        if shutil.which("nginx") and shutil.which("openssl"):
            behind_nginx(check)
        else:
            check.skip("hosts behind nginx", "nginx or openssl is not here")
        check.stop_all()


main()
