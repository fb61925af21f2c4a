import assert from "node:assert/strict";
import { test } from "node:test";
import { visible } from "../src/ui/text";

test("ordinary text of any script stays as it is", () => {
  for (const text of ["kiosk", "Zoë", "北京", "שלום", "🎉", "a b\u00a0c"]) {
    assert.equal(visible(text), text);
  }
});

test("markup is text", () => {
  assert.equal(visible("<img onerror=alert(1)>"), "<img onerror=alert(1)>");
});

test("control characters are named", () => {
  assert.equal(visible("a\u0000b\nc\u001b[31m\u007f"), "a⟨NUL⟩b⟨LF⟩c⟨ESC⟩[31m⟨DEL⟩");
});

test("what turns the direction or shows nothing is named", () => {
  assert.equal(visible("evil\u202etxt.exe"), "evil⟨RLO⟩txt.exe");
  assert.equal(visible("a\u200bb\ufeff"), "a⟨ZWSP⟩b⟨BOM⟩");
  assert.equal(visible("\u0085\u{e0041}\ud800"), "⟨U+0085⟩⟨U+E0041⟩⟨U+D800⟩");
});

test("in a text of many lines, lines and tabs stay", () => {
  assert.equal(visible("a\n\tb\r", true), "a\n\tb⟨CR⟩");
});
