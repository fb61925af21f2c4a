// The table of views: all that the shell knows of them.
//
// A view is a file here with a default export, a component that is given `params` (what stood for the :names of its
// path, decoded) and `query` (of the address; `setQuery` of route.ts changes it in place). It subscribes with
// useTopic and asks with call (feed/connection.ts), is built of what ui/index.ts has, and brings its own style
// sheet. It stays while only the query changes, and is mounted anew with other params (those that its `key` names).
// Its root is <div class="stack"> with a ViewHead, unless it wants the whole room: then its entry says `full`.
import type { ComponentType } from "preact";
import AgentView from "./agent";
import Agents from "./agents";
import LiveDialogue from "./dialogue";
import Dialogues from "./dialogues";
import Directory from "./directory";
import ImportedDialogue from "./imported";
import DealView from "./deal";
import Deals from "./deals";
import Logs from "./logs";
import Message from "./message";
import Models from "./models";
import Network from "./network";
import Overview from "./overview";
import { visible } from "../ui/text";

export interface ViewProps {
  params: Record<string, string>;
  query: URLSearchParams;
}

export interface View {
  /** "agents/:name/:tab?": parts are compared one by one, the first view that fits is shown. */
  path: string;
  component: ComponentType<ViewProps>;
  /** Of the page, while it is shown; names in it are what the path has. */
  title(params: Record<string, string>): string;
  /** Its place in the navigation, and the letter that follows `g` to go there. */
  nav?: { label: string; key: string; icon: string };
  /** What makes it another: its params by default. */
  key?(params: Record<string, string>): string;
  /** The view fills what the shell leaves, without margins, and does not scroll with the page. */
  full?: boolean;
}

export const views: View[] = [
  {
    path: "",
    component: Overview,
    title: () => "Overview",
    nav: { label: "Overview", key: "o", icon: "M2 13h3V8H2zM6.5 13h3V3h-3zM11 13h3V6h-3z" },
  },
  {
    path: "network",
    component: Network,
    title: () => "Network",
    nav: {
      label: "Network",
      key: "n",
      icon: "M8 5.5v3M6.5 10l-2 1.5M9.5 10l2 1.5M6.5 4a1.5 1.5 0 1 0 3 0 1.5 1.5 0 1 0-3 0M6.5 9.5a1.5 1.5 0 1 0 3 0 1.5 1.5 0 1 0-3 0M2 12.5a1.3 1.3 0 1 0 2.6 0 1.3 1.3 0 1 0-2.6 0M11.4 12.5a1.3 1.3 0 1 0 2.6 0 1.3 1.3 0 1 0-2.6 0",
    },
    full: true,
  },
  {
    path: "dialogues",
    component: Dialogues,
    title: () => "Dialogues",
    nav: {
      label: "Dialogues",
      key: "d",
      icon: "M2 2.5h9v6H6l-3 2.5V8.5H2zM13 6v6.5h-1V14l-2-1.5H7",
    },
  },
  { path: "dialogues/imported", component: ImportedDialogue, title: () => "Imported dialogue" },
  {
    path: "dialogues/:agent/:peer/:thid",
    component: LiveDialogue,
    title: ({ agent = "" }) => `Dialogue of ${visible(agent)}`,
  },
  {
    path: "agents",
    component: Agents,
    title: () => "Agents",
    nav: {
      label: "Agents",
      key: "a",
      icon: "M8 2.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5M3 14c0-3 2.2-4.5 5-4.5s5 1.5 5 4.5",
    },
  },
  {
    path: "agents/:name/:tab?",
    component: AgentView,
    title: ({ name = "" }) => visible(name),
    key: ({ name = "" }) => name,
  },
  {
    path: "deals",
    component: Deals,
    title: () => "Deals",
    nav: {
      label: "Deals",
      key: "e",
      icon: "M1.5 6l3-2.5 3.5 1 3.5-1 3 2.5M1.5 6v5l5 3 1.5-1 1.5 1 5-3V6M5 8l2.5-2 4 4",
    },
  },
  { path: "deals/:id", component: DealView, title: () => "Deal" },
  {
    path: "directory",
    component: Directory,
    title: () => "Directory",
    nav: {
      label: "Directory",
      key: "y",
      icon: "M3 2.5h8.5a1.5 1.5 0 0 1 1.5 1.5v9.5H4.5A1.5 1.5 0 0 1 3 12zM3 12a1.5 1.5 0 0 1 1.5-1.5H13M6 5.5h4",
    },
  },
  {
    path: "models",
    component: Models,
    title: () => "Models",
    nav: {
      label: "Models",
      key: "m",
      icon: "M8 1.5l5.5 3v7L8 14.5l-5.5-3v-7zM8 8v6.5M2.5 4.5L8 8l5.5-3.5",
    },
  },
  {
    path: "logs",
    component: Logs,
    title: () => "Logs",
    nav: { label: "Logs", key: "l", icon: "M2 3.5h12M2 6.5h8M2 9.5h12M2 12.5h6" },
    full: true,
  },
  {
    path: "message/:id?",
    component: Message,
    title: ({ id }) =>
      id === undefined ? "Verify evidence" : `Message ${visible(id.slice(0, 8))}`,
  },
];
