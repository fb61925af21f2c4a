// What became of evidence that was verified here, in this browser: the verdict in a sentence, the chain
// at a glance, and each link with what was compared.
import { useId, useState } from "preact/hooks";
import type { Check, CheckState } from "../dialogue/check";
import { hex } from "../proof/bytes";
import { didOf } from "../proof/did";
import type { Step, StepName, Verdict } from "../proof/evidence";
import type { Level } from "../proof/merkle";
import { Badge, Did, Time } from "../ui";
import type { StateTone } from "../ui";
import { visible } from "../ui";
import "./evidence.css";

const TONES: Record<CheckState, StateTone> = {
  proved: "good",
  false: "bad",
  unchecked: "wait",
  missing: "idle",
};
const WORDS: Record<CheckState, string> = {
  proved: "proved",
  false: "false",
  unchecked: "not checked",
  missing: "no evidence",
};

/** One word on a message, with its shape. null: it is still being verified. */
export function CheckMark({ check, bare = false }: { check: Check | null; bare?: boolean }) {
  if (check === null) return bare ? null : <span class="muted">verifying…</span>;
  const tone = TONES[check.state];
  const why = check.why === undefined ? WORDS[check.state] : `${WORDS[check.state]}: ${check.why}`;
  return (
    <span class={`check status-${tone}`} title={visible(why)} data-check={check.state}>
      <Mark ok={check.state === "proved" ? true : check.state === "false" ? false : null} />
      {bare ? <span class="sr">{WORDS[check.state]}</span> : WORDS[check.state]}
    </span>
  );
}

function Mark({ ok }: { ok: boolean | null }) {
  const path = ok === null ? "M3 6h6" : ok ? "M2 6.5L5 9.5L10 3" : "M2.5 2.5l7 7m0-7l-7 7";
  return (
    <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      <path d={path} fill="none" stroke="currentColor" stroke-width="2" />
    </svg>
  );
}

export interface Names {
  /** The name of an agent, where it is known. */
  nameOf(did: string): string | undefined;
}

/** The verdict in a sentence. */
export function Banner({ check, nameOf }: { check: Check } & Names) {
  return (
    <div class={`verdict verdict-${TONES[check.state]}`} role="status" data-check={check.state}>
      <Mark ok={check.state === "proved" ? true : check.state === "false" ? false : null} />
      <div class="grow">
        <Sentence check={check} nameOf={nameOf} />
      </div>
    </div>
  );
}

function Sentence({ check, nameOf }: { check: Check } & Names) {
  const { state, why, verdict } = check;
  const parts = verdict?.parts;
  if (state === "proved" && parts?.envelope && parts.header && parts.group) {
    const from = didOf(parts.envelope.from);
    return (
      <>
        <strong>Proved.</strong> <Did did={from} name={nameOf(from) ?? ""} copy={false} /> said
        this, and its host <Did did={didOf(parts.header.host)} copy={false} /> signed it as number{" "}
        {verdict?.number} to the host <Did did={didOf(parts.group.destination)} copy={false} />, at{" "}
        <Time ms={parts.header.timeMs} millis /> by its own clock.
      </>
    );
  }
  if (state === "false") {
    const broken = verdict?.steps.find(({ ok }) => ok === false);
    return (
      <>
        <strong>False.</strong> {broken !== undefined && `“${broken.what}” does not hold: `}
        {visible(why ?? "")}
        {verdict?.code !== undefined && <span class="mono"> ({verdict.code})</span>}
      </>
    );
  }
  if (state === "unchecked") {
    return (
      <>
        <strong>Not checked.</strong> {why} Download the evidence and ask{" "}
        <code>haggle verify FILE</code>.
      </>
    );
  }
  return (
    <>
      <strong>No evidence.</strong> {visible(why ?? "")}
    </>
  );
}

// The chain at a glance --------------------------------------------------------------------------

/** A loop: from what was said to who signed for it, and from there to who said it. */
const NODES: [area: string, name: string, note: string][] = [
  ["envelope", "Envelope", "what was said"],
  ["group", "Group", "all to one host"],
  ["header", "Header", "one tick of the host"],
  ["host", "Host", "speaks for agents"],
  ["delegation", "Delegation", "until a time"],
  ["agent", "Agent", "the author"],
];

const LINKS: [area: string, arrow: string, name: string, steps: StepName[]][] = [
  ["envelope-group", "→", "is in", ["envelope", "envelope_path"]],
  ["group-header", "→", "is in", ["group_leaf", "group_path"]],
  ["header-host", "↓", "signed by", ["header", "header_signature"]],
  ["host-delegation", "←", "named in", ["host", "life"]],
  ["delegation-agent", "←", "signed by", ["delegation", "delegation_signature"]],
  ["agent-envelope", "↑", "is from", ["author"]],
];

export function Chain({ verdict }: { verdict: Verdict }) {
  return (
    <div class="chain">
      {NODES.map(([area, name, note]) => (
        <div key={area} class={`chain-node chain-${area}`}>
          <strong>{name}</strong>
          <span class="muted">{note}</span>
        </div>
      ))}
      {LINKS.map(([area, arrow, name, steps]) => {
        const ok = together(verdict, steps);
        return (
          <div
            key={area}
            class={`chain-link chain-${area} status-${ok === null ? "idle" : ok ? "good" : "bad"}`}
          >
            <Mark ok={ok} />
            <span class="chain-name">{name}</span>
            <span aria-hidden="true">{arrow}</span>
          </div>
        );
      })}
    </div>
  );
}

function together(verdict: Verdict, names: StepName[]): boolean | null {
  const steps = verdict.steps.filter(({ name }) => names.includes(name));
  if (steps.some(({ ok }) => ok === false)) return false;
  return steps.every(({ ok }) => ok === true) ? true : null;
}

// Link by link -----------------------------------------------------------------------------------

export function Steps({ verdict }: { verdict: Verdict }) {
  return (
    <ol class="steps">
      {verdict.steps.map((step) => (
        <StepLine key={step.name} step={step} verdict={verdict} />
      ))}
    </ol>
  );
}

function StepLine({ step, verdict }: { step: Step; verdict: Verdict }) {
  const [open, setOpen] = useState(step.ok === false);
  const id = useId();
  const tone = step.ok === null ? "idle" : step.ok ? "good" : "bad";
  const more = step.facts.length > 0 || (step.levels?.length ?? 0) > 0;
  return (
    <li data-step={step.name} data-ok={String(step.ok)}>
      <button
        class="step-head"
        type="button"
        aria-expanded={open}
        aria-controls={id}
        disabled={!more}
        onClick={() => setOpen(!open)}
      >
        <span class={`status-${tone}`}>
          <Mark ok={step.ok} />
        </span>
        <span class="grow">
          {step.what}
          {step.ok === null && <span class="muted"> – {notTried(verdict)}</span>}
        </span>
        {step.code !== undefined && <Badge tone="bad">{step.code}</Badge>}
        {more && <span class="muted step-more">{open ? "less" : "more"}</span>}
      </button>
      {step.why !== undefined && <div class="step-why bad">{visible(step.why)}</div>}
      {open && (
        <div class="step-facts" id={id}>
          <dl class="facts">
            {step.facts.map(([name, text]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd class="mono">{visible(text)}</dd>
              </div>
            ))}
          </dl>
          {step.levels !== undefined && <Levels levels={step.levels} />}
        </div>
      )}
    </li>
  );
}

function notTried({ ability }: Verdict): string {
  return ability === "able" ? "not tried: what it needs could not be read" : "not checked here";
}

/** The way from a leaf up to the root: what stood in the evidence, and what was computed of it. */
function Levels({ levels }: { levels: Level[] }) {
  if (levels.length === 0) {
    return <p class="muted">The only leaf: its hash is the root.</p>;
  }
  return (
    <table class="levels" aria-label="Hashes on the way to the root">
      <thead>
        <tr>
          <th scope="col">level</th>
          <th scope="col">left</th>
          <th scope="col">right</th>
          <th scope="col">SHA-256(01 ‖ left ‖ right)</th>
        </tr>
      </thead>
      <tbody>
        {levels.map((level, i) => (
          <tr key={i}>
            <td>{i + 1}</td>
            <Hash bytes={level.left} given={level.given === "left"} />
            <Hash bytes={level.right} given={level.given === "right"} />
            <Hash bytes={level.hash} given={false} />
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Hash({ bytes, given }: { bytes: Uint8Array; given: boolean }) {
  const text = hex(bytes);
  return (
    <td class="mono" title={`${text}${given ? " (from the evidence)" : " (computed here)"}`}>
      {text.slice(0, 8)}…{text.slice(-6)}
      {given && <span class="muted"> given</span>}
    </td>
  );
}
