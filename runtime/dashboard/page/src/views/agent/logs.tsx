// What an agent logged.
import { LogViewer } from "../logs/viewer";

export function AgentLogs({ name, query }: { name: string; query: URLSearchParams }) {
  return <LogViewer agent={name} query={query} />;
}
