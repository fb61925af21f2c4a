// The overview at a slow pace, for as long as the page is open, also in a tab that nobody sees: its icon and title
// show that something is wrong.
import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { connection, useTopic } from "../feed/connection";
import type { Alarm } from "../feed/types";

const alarms = signal<Alarm[]>([]);

export const trouble = computed<"none" | "warn" | "error">(() => {
  if (connection.value.state === "lost") return "error";
  if (alarms.value.some((alarm) => alarm.level === "error")) return "error";
  return alarms.value.length > 0 ? "warn" : "none";
});

const COLORS = { none: "#1d4ed8", warn: "#b45309", error: "#b3211b" };

export function FavIcon() {
  // The client (SILENCE_MS) takes longer pauses for silence.
  const pulse = useTopic("overview", { history: 1, every_ms: 5000 }, { background: true });
  const found = pulse.value.data?.alarms;
  useEffect(() => {
    if (found !== undefined) alarms.value = found;
  }, [found]);

  const shown = trouble.value;
  useEffect(() => {
    const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (icon !== null) icon.href = draw(COLORS[shown], shown !== "none");
  }, [shown]);
  return null;
}

function draw(color: string, mark: boolean): string {
  const sign = mark
    ? `<path d="M16 6v12M16 22v4" stroke="#fff" stroke-width="5" fill="none"/>`
    : LETTER;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="${color}"/>${sign}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

const LETTER = `<path d="M9 8v16M23 8v16M9 14c6 0 8 4 14 4" fill="none" stroke="#fff" stroke-width="3.4" stroke-linecap="round"/>`;
