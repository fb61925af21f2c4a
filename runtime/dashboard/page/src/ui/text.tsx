// Text from agents, peers and the network is hostile. Preact never reads it as markup; what is left are characters
// that steer how text is shown, or that show nothing. They are made visible here.

/** Of U+0000 to U+001F. Their pictures (U+2400…) are in few fonts. */
const CONTROLS =
  "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(
    " ",
  );

const NAMED: Record<number, string> = {
  0x007f: "DEL",
  0x00ad: "SHY",
  0x061c: "ALM",
  0x115f: "HCF",
  0x1160: "HJF",
  0x180e: "MVS",
  0x200b: "ZWSP",
  0x200c: "ZWNJ",
  0x200d: "ZWJ",
  0x200e: "LRM",
  0x200f: "RLM",
  0x2028: "LSEP",
  0x2029: "PSEP",
  0x202a: "LRE",
  0x202b: "RLE",
  0x202c: "PDF",
  0x202d: "LRO",
  0x202e: "RLO",
  0x2060: "WJ",
  0x2066: "LRI",
  0x2067: "RLI",
  0x2068: "FSI",
  0x2069: "PDI",
  0x3164: "HF",
  0xfeff: "BOM",
  0xffa0: "HHF",
};

// C0, DEL, C1, those above, and tags; new lines and tabs only where the text is in one line.
const STEERING =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\u3164\ufeff\uffa0]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;

/** The text with what steers or hides made visible: ⟨LF⟩, ⟨ESC⟩, ⟨RLO⟩; `lines` keeps new lines and tabs. */
export function visible(text: string, lines = false): string {
  return text.replace(STEERING, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (lines && (character === "\n" || character === "\t")) return character;
    return `⟨${CONTROLS[code] ?? NAMED[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`}⟩`;
  });
}

/** Foreign text in one line; `title` shows all of it where it is cut. */
export function Text({ text, cut = false }: { text: string; cut?: boolean }) {
  const shown = visible(text);
  return (
    <bdi class={cut ? "cut" : undefined} title={cut ? shown : undefined}>
      {shown}
    </bdi>
  );
}
