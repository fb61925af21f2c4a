// Keys: `/` and ctrl-k search, `?` helps, `g` and a letter go to a view. Others belong to the views.
import { link } from "../route";
import { views } from "../views";
import { openHelp } from "./help";
import { openPalette } from "./palette";
import { isTyping } from "./typing";

const GO_MS = 1200;

export function followKeys(): void {
  let going = -Infinity; // since when a letter is waited for
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]") !== null) return;
    if (event.timeStamp - going < GO_MS) {
      going = -Infinity;
      const view = views.find(({ nav }) => nav?.key === event.key);
      if (view !== undefined) {
        event.preventDefault();
        location.hash = view.path === "" ? "#/" : link([view.path]);
      }
      return;
    }
    if (event.key === "g") going = event.timeStamp;
    else if (event.key === "/") {
      event.preventDefault();
      openPalette();
    } else if (event.key === "?") openHelp();
  });
}
