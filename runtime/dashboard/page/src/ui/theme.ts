// Light, dark, or as the system has it. `dark` is what is shown; canvases draw anew when it changes.
import { computed, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

const KEY = "haggle.theme";

function remembered(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "auto";
  } catch {
    return "auto";
  }
}

const systemDark = signal(false);
export const theme = signal<Theme>("auto");
export const dark = computed(() =>
  theme.value === "auto" ? systemDark.value : theme.value === "dark",
);

export function followTheme(): void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  theme.value = remembered();
  systemDark.value = system.matches;
  system.addEventListener("change", () => (systemDark.value = system.matches));
  dark.subscribe((is) => {
    document.documentElement.dataset.theme = is ? "dark" : "light";
  });
}

export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  try {
    if (chosen === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chosen);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}
