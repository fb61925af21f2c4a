// What is looked for, and how the picture is steered.
import { Search, Select, visible } from "../../ui";
import { setQuery } from "../../route";
import { statusNow } from "../model";
import { familyOf, type Wanted } from "../scene";
import { SHAPES, SHAPE_WORDS, type Shape } from "../sprites";
import type { Stage } from "../stage";
import type { Watch } from "../watch";

const OPTIONS_MAX = 200;

interface ToolsProps {
  watch: Watch;
  stage: Stage | undefined;
  wanted: Wanted;
  table: boolean;
  legend: boolean;
  onLegend(): void;
  /** Enter in the search: the first that matches. */
  onFind(): void;
}

export function Tools({ watch, stage, wanted, table, legend, onLegend, onFind }: ToolsProps) {
  void watch.version.value;
  const { services, families, hosts } = choicesOf(watch);
  return (
    <div class="net-tools row">
      <form
        class="net-search"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          onFind();
        }}
      >
        <Search
          label="Find agents"
          placeholder="Name, key or service"
          value={wanted.text}
          onChange={(q) => setQuery({ q })}
        />
      </form>
      <Select
        label="State"
        value={wanted.status}
        options={[["", "Any state"], ...SHAPES.map(stateOption)]}
        onChange={(state) => setQuery({ state })}
      />
      <Choice label="Any service" name="service" value={wanted.service} choices={services} />
      <Choice label="Any group" name="group" value={wanted.group} choices={families} />
      <Choice label="Any host" name="host" value={wanted.host} choices={hosts} />
      <span class="grow" />
      {!table && (
        <>
          <button
            class="button small net-roomy"
            type="button"
            title="Arrange by who talks to whom"
            disabled={watch.arranging.value}
            onClick={() => watch.arrange()}
          >
            Arrange
          </button>
          <button
            class="button small"
            type="button"
            title="Show everything (0)"
            onClick={() => stage?.fit("viewer")}
          >
            Fit
          </button>
          <button
            class="button small net-roomy"
            type="button"
            aria-label="Zoom out"
            onClick={() => stage?.zoomBy(1 / 1.5)}
          >
            −
          </button>
          <button
            class="button small net-roomy"
            type="button"
            aria-label="Zoom in"
            onClick={() => stage?.zoomBy(1.5)}
          >
            +
          </button>
          <button class="button small" type="button" aria-expanded={legend} onClick={onLegend}>
            Legend
          </button>
        </>
      )}
      <button
        class="button small"
        type="button"
        aria-pressed={table}
        onClick={() => setQuery({ as: table ? "" : "table" })}
      >
        {table ? "Graph" : "Table"}
      </button>
    </div>
  );
}

function stateOption(shape: Shape): [string, string] {
  return [shape, (SHAPE_WORDS[shape].split(/[:,]/)[0] ?? shape).trim()];
}

interface ChoiceProps {
  label: string;
  name: string;
  value: string;
  choices: (readonly [string, string])[];
}

/** Not there where there is nothing to choose. */
function Choice({ label, name, value, choices }: ChoiceProps) {
  if (choices.length < 2 && value === "") return null;
  const known = value === "" || choices.some(([choice]) => choice === value);
  const options: (readonly [string, string])[] = [["", label], ...choices];
  if (!known) options.push([value, visible(value)]);
  return (
    <Select
      label={label}
      value={value}
      options={options}
      onChange={(chosen) => setQuery({ [name]: chosen })}
    />
  );
}

function choicesOf(watch: Watch) {
  const services = new Set<string>();
  const families = new Map<string, number>();
  const hosts: (readonly [string, string])[] = [];
  for (const node of watch.network.nodes.values()) {
    if (statusNow(node) === null) continue;
    if (node.kind === "host") hosts.push([node.key, visible(node.name || node.did)]);
    for (const service of node.services) services.add(service);
    const family = familyOf(node.name);
    if (family) families.set(family, (families.get(family) ?? 0) + 1);
  }
  const named = (texts: Iterable<string>) =>
    [...texts]
      .sort()
      .slice(0, OPTIONS_MAX)
      .map((text) => [text, visible(text)] as const);
  const several = [...families].filter(([, count]) => count > 1).map(([family]) => family);
  return {
    services: named(services),
    families: named(several),
    hosts: hosts.sort((a, b) => a[1].localeCompare(b[1])).slice(0, OPTIONS_MAX),
  };
}
