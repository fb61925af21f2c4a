// How the host is doing, at a glance.
import { Loading, ViewHead } from "../ui";
import type { ViewProps } from "./index";

export default function Overview(_: ViewProps) {
  return (
    <div class="stack">
      <ViewHead title="Overview" />
      <Loading />
    </div>
  );
}
