// The script that it runs, with numbered lines: what a traceback names can be looked up.
import { useCall } from "../../feed/polling";
import { setQuery } from "../../route";
import {
  Badge,
  formatBytes,
  Bytes,
  Code,
  Copy,
  Empty,
  Failure,
  Loading,
  Panel,
  Select,
  visible,
} from "../../ui";

export function Source({ name, query }: { name: string; query: URLSearchParams }) {
  const file = query.get("file") ?? "";
  const line = Number(query.get("line"));
  const { state } = useCall("agent.source", { name, ...(file === "" ? {} : { file }) });
  const { data, error } = state.value;
  if (error !== null) return <Failure error={error} />;
  if (data === null) return <Loading />;
  const [script] = data.files;
  if (script === undefined) return <Empty title="No script" />;
  const shown = data.files.find((one) => one.path === data.file) ?? script;
  return (
    <Panel
      flush
      title={
        data.files.length === 1 ? (
          visible(script.path)
        ) : (
          <Select
            label="File"
            value={shown.path}
            options={data.files.map((one) => [one.path, visible(one.path)] as const)}
            onChange={(path) => setQuery({ file: path === script.path ? null : path, line: null })}
          />
        )
      }
      actions={
        <span class="muted row">
          {!data.runs && <Badge tone="wait">it would begin with this</Badge>}
          <Bytes value={shown.size} />
          <span class="mono" title={`SHA-256 of this file: ${visible(shown.digest)}`}>
            {visible(shown.digest.slice(0, 12))}
          </span>
          <Copy text={data.source} what="Copy the source" />
        </span>
      }
    >
      <Code text={data.source} {...(line > 0 ? { mark: line } : {})} />
      {data.left_out !== undefined && data.left_out > 0 && (
        <p class="muted source-rest">{formatBytes(data.left_out)} more are not shown.</p>
      )}
    </Panel>
  );
}
