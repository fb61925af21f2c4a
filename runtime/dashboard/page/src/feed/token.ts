// The token: it comes in the link that `haggle run` prints, in the fragment, which no server ever sees. It goes
// into this tab's storage and out of the address bar, so that no screenshot and no shared address holds it.
const KEY = "haggle.token";

/** Splits "#token=TOKEN/route" (the route may be missing); null when a hash holds no token. */
export function tokenOf(hash: string): { token: string; route: string } | null {
  const match = /^#token=([A-Za-z0-9_-]+)(\/.*)?$/.exec(hash);
  if (match === null) return null;
  return { token: match[1] ?? "", route: match[2] ?? "/" };
}

/** Takes what a person pasted: a token, or a whole link with one. */
export function tokenIn(text: string): string | null {
  const trimmed = text.trim();
  const link = /#token=([A-Za-z0-9_-]+)/.exec(trimmed);
  if (link !== null) return link[1] ?? null;
  return /^[A-Za-z0-9_-]{8,}$/.test(trimmed) ? trimmed : null;
}

/** Moves a token from the address into the storage. True when there was one. */
export function takeToken(): boolean {
  const found = tokenOf(location.hash);
  if (found === null) return false;
  keepToken(found.token);
  history.replaceState(null, "", `${location.pathname}${location.search}#${found.route}`);
  return true;
}

export function keepToken(token: string): void {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Storage is switched off: the token lasts as long as the page.
  }
  held = token;
}

export function forgetToken(): void {
  held = null;
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}

let held: string | null = null;

export function currentToken(): string | null {
  if (held !== null) return held;
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}
