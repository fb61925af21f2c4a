#!/usr/bin/env python3
# timeout: 60
"""The example of runtime/infer/DENSE.md, run as it stands there, with modules in place of PyTorch and
safetensors that do what it asks of them: the engine reads the file, and computes what Python does.
Also a network of the rarer layers, with weights of several types, written by hand."""

import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import types

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import TREE  # noqa: E402

RUN = os.path.join(os.environ["BUILD"], "tests/dense_run")
passed = failed = 0


def that(condition, what, detail=""):
    global passed, failed
    if condition:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what}: {detail}")


class Tensor:
    def __init__(self, shape, numbers, kind="F32"):
        self.shape, self.kind = shape, kind
        # As the file will have them.
        packed = b"".join(self.pack(x) for x in numbers)
        self.data, self.numbers = packed, self.unpack(packed)

    def pack(self, x):
        if self.kind == "BF16":
            return struct.pack("<f", x)[2:]
        return struct.pack({"F32": "<f", "F64": "<d", "F16": "<e"}[self.kind], x)

    def unpack(self, data):
        if self.kind == "BF16":
            return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]
        code = {"F32": "<f", "F64": "<d", "F16": "<e"}[self.kind]
        return [x for (x,) in struct.iter_unpack(code, data)]


def save_file(tensors, path, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        header[name] = {"dtype": tensor.kind, "shape": tensor.shape,
                        "data_offsets": [len(data), len(data) + len(tensor.data)]}
        data += tensor.data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def chance(count, scale=1.0):
    return [random.gauss(0, scale) for _ in range(count)]


def modules():
    """Linear, Tanh and Sequential as far as the example needs them."""
    torch, nn = types.ModuleType("torch"), types.SimpleNamespace()
    nn.Linear = lambda n, out: {"weight": Tensor([out, n], chance(n * out, n ** -0.5)),
                                "bias": Tensor([out], chance(out))}
    nn.Tanh = dict

    class Sequential:
        def __init__(self, *layers):
            self.layers = layers

        def state_dict(self):
            return {f"{i}.{name}": tensor for i, layer in enumerate(self.layers)
                    for name, tensor in layer.items()}

    nn.Sequential = Sequential
    torch.nn = nn
    files = types.ModuleType("safetensors.torch")
    files.save_file = save_file
    sys.modules.update({"torch": torch, "safetensors": types.ModuleType("safetensors"),
                        "safetensors.torch": files})


def linear(weight, bias, x):
    out, n = weight.shape
    return [(bias.numbers[o] if bias else 0)
            + sum(weight.numbers[o * n + i] * x[i] for i in range(n)) for o in range(out)]


def softmax(x):
    e = [math.exp(v - max(x)) for v in x]
    return [v / sum(e) for v in e]


def run(path, rows, *options):
    text = "\n".join(" ".join(repr(x) for x in row) for row in rows)
    done = subprocess.run([RUN, path, *options], input=text, capture_output=True, text=True,
                          timeout=30, check=False)
    that(done.returncode == 0, "dense_run", done.stderr)
    return [(words[0], [float(x) for x in words[1:]])
            for words in map(str.split, done.stdout.splitlines())]


def close(got, expected):
    return len(got) == len(expected) and all(
        abs(a - b) <= 2e-6 * (1 + abs(b)) for a, b in zip(got, expected))


def example():
    with open(os.path.join(TREE, "runtime/infer/DENSE.md"), encoding="utf-8") as page:
        code = re.search(r"```python\n(.*?)```", page.read(), re.S).group(1)
    modules()
    names = {}
    exec(code, names)  # the page's own example
    tensors = names["net"].state_dict()
    rows = [[struct.unpack("<f", struct.pack("<f", x))[0] for x in chance(24)] for _ in range(20)]
    answers = run("policy.safetensors", rows)
    that(len(answers) == len(rows), "an output a row", len(answers))
    for row, (name, got) in zip(rows, answers):
        x = row
        for i in (0, 2, 4):
            x = linear(tensors[f"{i}.weight"], tensors[f"{i}.bias"], x)
            x = [math.tanh(v) for v in x] if i < 4 else softmax(x)
        that(name == "action" and close(got, x), "the example's network", (got, x))


def rarer():
    tensors = {"mean": Tensor([3], chance(3), "F64"), "scale": Tensor([3], [0.5, 2, 4], "F16"),
               "w": Tensor([6, 4], chance(24), "BF16"), "g": Tensor([6], chance(6), "F16"),
               "m": Tensor([6], chance(6)), "v": Tensor([6], [1, 2, 3, 4, 5, 6.5], "F64"),
               "h": Tensor([5, 6], chance(30), "F16")}
    description = {
        "version": 1,
        "inputs": [{"name": "a", "width": 3, "mean": "mean", "scale": "scale"},
                   {"name": "b", "width": 1}],
        "layers": [{"type": "linear", "weight": "w"}, {"type": "rms_norm", "weight": "g"},
                   {"type": "residual", "layers": [{"type": "gelu"}]},
                   {"type": "batch_norm", "mean": "m", "variance": "v"}],
        "outputs": [{"name": "as"},
                    {"name": "best", "layers": [{"type": "linear", "weight": "h"}],
                     "end": "argmax"}]}
    save_file(tensors, "rarer.safetensors", {"haggle.dense": json.dumps(description)})
    rows = [[1.0, -2.5, 0.25, 3.0], [0.0, 0.0, 0.0, 0.0], [10.0, 5.5, -7.0, 1.5]]
    answers = run("rarer.safetensors", rows, "device=cpu", "threads=2")
    for n, row in enumerate(rows):
        x = [(row[i] - tensors["mean"].numbers[i]) / tensors["scale"].numbers[i] for i in range(3)]
        x = linear(tensors["w"], None, [*x, row[3]])
        size = math.sqrt(sum(v * v for v in x) / 6 + 1e-6)
        x = [v / size * g for v, g in zip(x, tensors["g"].numbers)]
        x = [v + 0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]
        x = [(v - m) / math.sqrt(s + 1e-5)
             for v, m, s in zip(x, tensors["m"].numbers, tensors["v"].numbers)]
        best = linear(tensors["h"], None, x)
        that(answers[2 * n][0] == "as" and close(answers[2 * n][1], x), "rarer layers",
             (answers[2 * n], x))
        that(answers[2 * n + 1] == ("best", [best.index(max(best))]), "the best",
             (answers[2 * n + 1], best))


seed = int.from_bytes(os.urandom(4), "little")
print(f"seed {seed}")
random.seed(seed)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    example()
    rarer()
    os.chdir("/")
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0)
