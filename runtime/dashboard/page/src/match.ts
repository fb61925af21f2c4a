// Which view an address means.
export interface Matched<V> {
  view: V;
  params: Record<string, string>;
}

/** Compares part by part: ":name" takes any, ":name?" none as well. */
export function matchView<V extends { path: string }>(
  views: readonly V[],
  parts: readonly string[],
): Matched<V> | null {
  for (const view of views) {
    const params = matchPath(view.path.split("/").filter(Boolean), parts);
    if (params !== null) return { view, params };
  }
  return null;
}

function matchPath(pattern: string[], parts: readonly string[]): Record<string, string> | null {
  if (parts.length > pattern.length) return null;
  const params: Record<string, string> = {};
  for (const [i, wanted] of pattern.entries()) {
    const part = parts[i];
    if (wanted.startsWith(":")) {
      if (part !== undefined) params[wanted.replace(/^:|\?$/g, "")] = part;
      else if (!wanted.endsWith("?")) return null;
    } else if (part !== wanted) {
      return null;
    }
  }
  return params;
}
