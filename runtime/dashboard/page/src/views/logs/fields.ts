// The fields of a line as they stand behind its text: key=value.
import type { Json } from "../../feed/types";

const MOST = 300;

export function fieldsInLine(fields: Json | undefined): string {
  if (fields === undefined || fields === null || typeof fields !== "object") return "";
  const text = Object.entries(fields)
    .map(
      ([key, value]) =>
        `${key}=${typeof value === "string" ? quoted(value) : JSON.stringify(value)}`,
    )
    .join(" ");
  return text.length > MOST ? `${text.slice(0, MOST)}…` : text;
}

function quoted(text: string): string {
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
