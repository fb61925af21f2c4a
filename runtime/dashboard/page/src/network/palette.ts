// The page's colours, for a canvas. Read anew when the theme changes.
import { tokenColor } from "../ui/tones";
import { KINDS, type Kind } from "./kinds";

export interface Palette {
  ground: string;
  surface: string;
  sunken: string;
  line: string;
  lineStrong: string;
  text: string;
  muted: string;
  accent: string;
  good: string;
  wait: string;
  bad: string;
  idle: string;
  kinds: { [kind in Kind]: string };
}

export function readPalette(): Palette {
  const kinds = Object.fromEntries(KINDS.map((kind) => [kind, tokenColor(`--tone-${kind}`)]));
  return {
    ground: tokenColor("--ground"),
    surface: tokenColor("--surface"),
    sunken: tokenColor("--sunken"),
    line: tokenColor("--line"),
    lineStrong: tokenColor("--line-strong"),
    text: tokenColor("--text"),
    muted: tokenColor("--muted"),
    accent: tokenColor("--accent"),
    good: tokenColor("--good"),
    wait: tokenColor("--wait"),
    bad: tokenColor("--bad"),
    idle: tokenColor("--idle"),
    kinds: kinds as { [kind in Kind]: string },
  };
}
