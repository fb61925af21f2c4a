// The log of the host and its agents, live.
import { ViewHead } from "../ui";
import type { ViewProps } from "./index";
import { LogViewer } from "./logs/viewer";
import "./logs.css";

export default function Logs({ query }: ViewProps) {
  return (
    <div class="logs-view">
      <ViewHead title="Logs" />
      <LogViewer query={query} />
    </div>
  );
}
