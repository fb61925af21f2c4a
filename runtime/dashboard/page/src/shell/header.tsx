import { connection, isOperator, signOut } from "../feed/connection";
import { Did, Status, visible } from "../ui";
import { chooseTheme, theme, type Theme } from "../ui/theme";
import { openPalette } from "./palette";

const SUN =
  "M8 5a3 3 0 1 0 0 6a3 3 0 1 0 0-6M8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.4 1.4M11.6 11.6L13 13M13 3l-1.4 1.4M4.4 11.6L3 13";

const THEMES: Record<Theme, { next: Theme; label: string; line: string; area: string }> = {
  auto: {
    next: "light",
    label: "Theme: system",
    line: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12",
    area: "M8 2a6 6 0 1 0 0 12z",
  },
  light: { next: "dark", label: "Theme: light", line: SUN, area: "" },
  dark: {
    next: "auto",
    label: "Theme: dark",
    line: "",
    area: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
  },
};

export function Header() {
  const { hello } = connection.value;
  return (
    <header class="header">
      <a class="brand" href="#/" aria-label="Haggle, overview">
        <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
          <rect width="32" height="32" rx="7" fill="#1d4ed8" />
          <path
            d="M9 8v16M23 8v16M9 14c6 0 8 4 14 4"
            fill="none"
            stroke="#fff"
            stroke-width="3.4"
            stroke-linecap="round"
          />
        </svg>
        <span>Haggle</span>
      </a>
      <div class="header-host">
        <ConnectionState />
        {hello !== null && (
          <span class="cut muted header-role" title={visible(`Haggle ${hello.version}`)}>
            <Did did={hello.host} />
          </span>
        )}
      </div>
      {hello !== null && connection.value.state !== "denied" && <RoleButton />}
      <button class="button search-open" type="button" onClick={openPalette} aria-label="Search">
        <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
          <path
            d="M7 2a5 5 0 1 0 0 10A5 5 0 1 0 7 2M10.6 10.6L14.5 14.5"
            fill="none"
            stroke="currentColor"
            stroke-width="1.5"
          />
        </svg>
        <span>Search</span>
        <kbd>/</kbd>
      </button>
      <ThemeButton />
    </header>
  );
}

function ConnectionState() {
  const { state, silent } = connection.value;
  const words = {
    live: "live",
    connecting: "connecting",
    lost: "lost",
    denied: "no access",
  } as const;
  return (
    <span role="status">
      <Status
        state={silent ? "not answering" : words[state]}
        tone={silent || state === "connecting" ? "wait" : state === "live" ? "good" : "bad"}
      />
    </span>
  );
}

function RoleButton() {
  const operator = isOperator.value;
  return (
    <button
      class="button quiet small header-role"
      type="button"
      title={`${
        operator
          ? "You may act on agents with this token."
          : "This token may look and not act. The operator's link, which haggle dashboard prints, may."
      }\nClick to forget the token in this tab.`}
      onClick={signOut}
    >
      {operator ? "operator" : "read only"}
    </button>
  );
}

function ThemeButton() {
  const { next, label, line, area } = THEMES[theme.value];
  return (
    <button
      class="button quiet"
      type="button"
      title={label}
      aria-label={label}
      onClick={() => chooseTheme(next)}
    >
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={line} fill="none" stroke="currentColor" stroke-width="1.3" />
        <path d={area} fill="currentColor" />
      </svg>
    </button>
  );
}
