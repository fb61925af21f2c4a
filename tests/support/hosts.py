"""Real hosts for tests of several processes: started, asked, killed, counted.

    from hosts import Checks, Host
    with Checks() as check:
        a = check.host("a", ["echo.lua"])
        check.that(a.ask("echo", "echo/1.0/say", {"text": "x"})["body"]["text"] == "x", "answers")

Everything happens in a folder of its own, which becomes the working directory and is removed at the
end, with every process that was started, also when the test itself is killed. The last line is "N
passed, N failed".
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HAGGLE = os.environ.get("HAGGLE", os.path.join(TREE, "build/sanitize/haggle"))
HAGGLE_RELEASE = os.environ.get("HAGGLE_RELEASE", os.path.join(TREE, "build/release/haggle"))
START_S = 40
# What a test starts ends with the thread that started it, however that ends.
WITH_US = ("setpriv", "--pdeathsig", "KILL")
KILLED = (-signal.SIGKILL,)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Refused(Exception):
    """What a host answered instead of a result: (code, message)."""

    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code, self.message = error.get("code"), error.get("message")


class Ended(Exception):
    """A host ended although it should run; the text holds what it said."""


class Control:
    """A connection to a host's control socket."""

    def __init__(self, data, timeout=20):
        folder = os.open(data, os.O_DIRECTORY | os.O_PATH)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            # The path of a socket holds 107 bytes at most; that of a test's folder may be longer.
            self.socket.connect(f"/proc/self/fd/{folder}/control.sock")
        finally:
            os.close(folder)
        self.lines = self.socket.makefile("rb")

    def send(self, **request):
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def next(self):
        line = self.lines.readline()
        if not line:
            raise ConnectionError("the host hung up")
        return json.loads(line)

    def call(self, call, **arguments):
        self.send(call=call, **arguments)
        answer = self.next()
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer["result"]

    def close(self):
        self.lines.close()
        self.socket.close()


class Host:
    """One data folder, and the process that runs on it. `data` and the two logs lie beside each
    other in the working directory."""

    def __init__(self, name, scripts=(), *, join=(), options=(), binary=None, data=None,
                 listen="127.0.0.1:0", wrapper=()):
        self.name = name
        self.data = data or name
        self.scripts = list(scripts)
        self.join = [join] if isinstance(join, str) else list(join)
        self.options = list(options)
        self.binary = binary or HAGGLE
        self.listen = listen
        self.wrapper = list(wrapper)
        self.process = None
        self.url = self.did = None
        self.agents = {}

    def launch(self):
        """Starts the process without waiting for it."""
        command = [*WITH_US, *self.wrapper, self.binary, "run", *self.scripts, "--data", self.data,
                   "--json", "--listen", self.listen]
        for url in self.join:
            command += ["--join", url]
        self.out = open(f"{self.name}.out", "ab")
        self.err = open(f"{self.name}.err", "ab")
        self.out_from = self.out.seek(0, os.SEEK_END)
        self.err_from = self.err.seek(0, os.SEEK_END)
        self.process = subprocess.Popen([*command, *self.options], stdin=subprocess.DEVNULL,
                                        stdout=self.out, stderr=self.err)
        self.out.close()
        self.err.close()
        return self

    def wait_ready(self):
        """Waits until it says where it listens; keeps the port for later starts."""
        deadline = time.monotonic() + START_S
        while b"\n" not in (said := self.said_out()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Ended(f"host {self.name} did not start ({self.process.poll()}): {self.said()}")
            time.sleep(0.02)
        started = json.loads(said.splitlines()[0])
        self.did, self.url = started["host"], started["join"]
        self.agents = {agent["name"]: agent["did"] for agent in started["agents"]}
        if self.url:
            self.listen = self.url.split("//", 1)[1].split("#", 1)[0]
        return self

    def start(self):
        return self.launch().wait_ready()

    @property
    def pid(self):
        return self.process.pid

    @property
    def port(self):
        return int(self.listen.rsplit(":", 1)[1])

    def said_out(self):
        with open(f"{self.name}.out", "rb") as file:
            file.seek(self.out_from)
            return file.read()

    def said(self):
        """What it logged since it was started last."""
        with open(f"{self.name}.err", "rb") as file:
            file.seek(self.err_from)
            return file.read().decode(errors="replace")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def call(self, call, **arguments):
        control = Control(self.data)
        try:
            return control.call(call, **arguments)
        finally:
            control.close()

    def ask(self, to, type, body=None, within_ms=15000):
        return self.call("ask", to=to, type=type, body=body, within_ms=within_ms)

    def body(self, to, type, body=None):
        return self.ask(to, type, body)["body"]

    def peer(self, did):
        for peer in self.call("peers"):
            if peer["did"] == did:
                return peer
        return None

    def linked(self, did):
        peer = self.peer(did)
        return bool(peer and peer["linked"])

    def kill(self):
        if self.alive():
            self.process.kill()
        return self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=30):
        """Its exit status, or None if it still runs then."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, seconds=40):
        if self.alive():
            self.process.send_signal(signal.SIGINT)
        return self.wait(seconds)

    def memory_kib(self):
        """Its own resident memory; the pages of the data file that are mapped are the kernel's."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1])
        return 0

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Checks:
    """Counts checks, owns the working folder and the hosts."""

    def __init__(self):
        self.passed = self.failed = 0
        self.hosts = []

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="haggle-")
        os.chdir(self.folder)
        return self

    def that(self, good, what, detail=None):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {what}" + (f": {detail}" if detail is not None else ""), flush=True)
        return bool(good)

    def says(self, text, where, what):
        return self.that(text in where, what, f"{text!r} is not in {where[-1500:]!r}")

    def skip(self, what, why):
        print(f"skipped: {what}: {why}", flush=True)

    def eventually(self, test, what, seconds=30, every=0.1, detail=None):
        """The value of test() once it is true. A host that is not there yet is no failure."""
        deadline, value, problem = time.monotonic() + seconds, None, None
        while True:
            try:
                value, problem = test(), None
            except (OSError, Refused) as error:
                problem = error
            if value and not problem:
                break
            if time.monotonic() > deadline:
                break
            time.sleep(every)
        good = bool(value) and not problem
        if not good and callable(detail):
            try:
                detail = detail()
            except (OSError, Refused) as error:
                detail = error
        self.that(good, what, problem or detail or value)
        return value

    def script(self, name, text):
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
        return name

    def host(self, name, scripts=(), start=True, **options):
        host = Host(name, scripts, **options)
        self.hosts.append(host)
        return host.start() if start else host

    def haggle(self, *arguments, timeout=60, binary=None):
        return subprocess.run([binary or HAGGLE, *arguments], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=timeout, check=False)

    def stop_all(self):
        """Every host that still runs ends on SIGINT, with status 0 and no word of a sanitizer."""
        for host in self.hosts:
            if host.alive():
                status = host.stop()
                self.that(status == 0, f"host {host.name} ends well",
                          f"status {status}: {host.said()[-1500:]}")
        self.no_sanitizer_words()

    def no_sanitizer_words(self):
        for host in self.hosts:
            if not os.path.exists(f"{host.name}.err"):
                continue
            with open(f"{host.name}.err", encoding="utf-8", errors="replace") as file:
                text = file.read()
            bad = next((mark for mark in ("Sanitizer", "runtime error:", "Assertion")
                        if mark in text), None)
            at = text.find(bad) if bad else 0
            self.that(not bad, f"host {host.name} has no report of a sanitizer or assertion",
                      text[max(0, at - 200):at + 2500])

    def __exit__(self, kind, error, trace):
        if error:
            self.failed += 1
            print("FAILED: the test itself:", flush=True)
            traceback.print_exception(kind, error, trace, file=sys.stdout)
        for host in self.hosts:
            if host.alive():
                if error:
                    print(f"--- {host.name}:\n{host.said()[-2000:]}")
                host.process.send_signal(signal.SIGCONT)
                host.kill()
        os.chdir("/")
        shutil.rmtree(self.folder, ignore_errors=True)
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.stdout.flush()
        os._exit(0 if self.failed == 0 and self.passed > 0 else 1)
