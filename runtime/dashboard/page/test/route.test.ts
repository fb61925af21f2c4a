import assert from "node:assert/strict";
import { test } from "node:test";
import { tokenIn, tokenOf } from "../src/feed/token";
import { matchView } from "../src/match";
import { link, parseRoute, to } from "../src/route";

test("what is linked to is found again, whatever its name", () => {
  for (const name of ["kiosk", "a/b?c#d", "<img onerror=x>", "100 %", "..", "ünï"]) {
    const parsed = parseRoute(to.agent(name, "logs", { text: name }));
    assert.deepEqual(parsed.parts, ["agents", name, "logs"]);
    assert.equal(parsed.query.get("text"), name);
  }
});

test("empty values leave no trace in an address", () => {
  assert.equal(link(["logs"], { level: "", text: undefined, paused: false }), "#/logs");
  assert.equal(link(["logs"], { paused: true, offset: 0 }), "#/logs?paused=1&offset=0");
  assert.equal(link([]), "#/");
});

test("an address that nobody made is read all the same", () => {
  assert.deepEqual(parseRoute("#/agents/%zz").parts, ["agents", "%zz"]);
  assert.deepEqual(parseRoute("").parts, []);
  assert.equal(parseRoute("#/find?q=a=b?c").query.get("q"), "a=b?c");
});

const views = [
  { path: "" },
  { path: "agents" },
  { path: "agents/:name/:tab?" },
  { path: "deals/:id?" },
];

test("views are found by their parts", () => {
  const found = (hash: string) => {
    const matched = matchView(views, parseRoute(hash).parts);
    return matched === null ? null : [matched.view.path, matched.params];
  };
  assert.deepEqual(found("#/"), ["", {}]);
  assert.deepEqual(found("#/agents"), ["agents", {}]);
  assert.deepEqual(found("#/agents/a%2Fb"), ["agents/:name/:tab?", { name: "a/b" }]);
  assert.deepEqual(found("#/agents/x/logs"), ["agents/:name/:tab?", { name: "x", tab: "logs" }]);
  assert.deepEqual(found("#/deals"), ["deals/:id?", {}]);
  assert.equal(found("#/agents/x/logs/more"), null);
  assert.equal(found("#/nothing"), null);
});

test("the token is taken out of a link, with the address that follows it", () => {
  assert.deepEqual(tokenOf("#token=aB-_9"), { token: "aB-_9", route: "/" });
  assert.deepEqual(tokenOf("#token=aB9/agents/x?y=1"), { token: "aB9", route: "/agents/x?y=1" });
  assert.equal(tokenOf("#/agents"), null);
  assert.equal(tokenOf("#token=a b"), null);
});

test("a person may paste the token or the whole link", () => {
  assert.equal(tokenIn(" http://127.0.0.1:7001/#token=abcdefgh1 \n"), "abcdefgh1");
  assert.equal(tokenIn("abcdefgh1"), "abcdefgh1");
  assert.equal(tokenIn("hello world"), null);
  assert.equal(tokenIn(""), null);
});
