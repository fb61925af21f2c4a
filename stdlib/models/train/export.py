"""Writes the trained network: for the dense engine (runtime/infer/DENSE.md), and as ONNX."""

import json
import os
import struct

import onnx
from onnx import TensorProto, helper, numpy_helper

import rules

INPUT, OUTPUT = "features", "scores"  # as haggle.policy names them where nothing else is said
ABOUT = "The next price in a negotiation of haggle.market"


def safetensors(layers, facts):
    steps, entries, body = [], {}, b""
    for number, pair in enumerate(layers):
        names = {kind: f"layers.{number}.{kind}" for kind in ("weight", "bias")}
        for name, tensor in zip(names.values(), pair):
            data = tensor.astype("<f4").tobytes()
            entries[name] = {"dtype": "F32", "shape": list(tensor.shape),
                             "data_offsets": [len(body), len(body) + len(data)]}
            body += data
        steps += [{"type": "linear", **names}, {"type": "relu"}]
    network = {"version": 1, "about": ABOUT, "inputs": [{"name": INPUT, "width": rules.FEATURES}],
               "layers": steps[:-1], "outputs": [{"name": OUTPUT}]}
    header = {"__metadata__": {"haggle.dense": json.dumps(network), **facts}, **entries}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def as_onnx(layers, facts):
    nodes, weights, value = [], [], INPUT
    for number, pair in enumerate(layers):
        last = number == len(layers) - 1
        names = [f"layers.{number}.{kind}" for kind in ("weight", "bias")]
        weights += [numpy_helper.from_array(tensor, name) for tensor, name in zip(pair, names)]
        made = OUTPUT if last else f"linear.{number}"
        nodes.append(helper.make_node("Gemm", [value, *names], [made], transB=1))
        value = f"relu.{number}"
        if not last:
            nodes.append(helper.make_node("Relu", [made], [value]))
    graph = helper.make_graph(
        nodes, "market",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", rules.FEATURES])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", rules.ACTIONS])], weights)
    model = helper.make_model(graph, producer_name="haggle", doc_string=ABOUT, ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, facts)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def curve(points):
    """A drawing of what the policy made in each role, by round."""
    width, height, left, low = 640, 320, 48, 28
    top = max(max(point[1:]) for point in points) * 1.1
    last = points[-1][0]

    def place(number, value):
        return (f"{left + (width - left - 90) * number / max(1, last):.1f},"
                f"{(height - low) * (1 - value / top) + 4:.1f}")

    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             'font-family="sans-serif" font-size="11">',
             '<title>What the policy makes of a negotiation, while it is trained</title>']
    for step in range(5):
        value = top * step / 5
        x, y = place(0, value).split(",")
        lines.append(f'<path d="M{x},{y}H{width - 90}" stroke="#8884"/>'
                     f'<text x="{left - 6}" y="{y}" text-anchor="end" fill="#888">{value:.2f}</text>')
    for column, (name, colour) in enumerate((("as buyer", "#2b6cb0"), ("as seller", "#c05621")), 1):
        path = " ".join(place(point[0], point[column]) for point in points)
        x, y = place(last, points[-1][column]).split(",")
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>'
                     f'<text x="{float(x) + 6}" y="{y}" fill="{colour}">{name}</text>')
    lines.append(f'<text x="{width - 90}" y="{height - 6}" text-anchor="end" fill="#888">'
                 f'round {last}</text></svg>')
    return "\n".join(lines) + "\n"


def write(layers, points, folder, facts):
    def put(name, data):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)

    put("market.safetensors", safetensors(layers, facts))
    put("market.onnx", as_onnx(layers, facts))
    put("market-curve.svg", curve(points).encode())
    rows = [f"{number},{buyer:.5f},{seller:.5f}\n" for number, buyer, seller in points]
    put("market-curve.csv", ("round,as_buyer,as_seller\n" + "".join(rows)).encode())
