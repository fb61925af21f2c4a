// Search: views, agents, hosts, dialogues, and whatever an id may be of. The host does the looking.
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { peerName } from "../dialogue/words";
import { connection, useTopic } from "../feed/connection";
import type { Agent, Dialogue, Peer } from "../feed/types";
import { link, to } from "../route";
import { shortDid, shortId, visible } from "../ui";
import { views } from "../views";
import "./palette.css";

interface Found {
  kind: string;
  label: string;
  note: string;
  href: string;
}

const open = signal(false);

export function openPalette(): void {
  open.value = true;
}

export function Palette() {
  const element = useRef<HTMLDialogElement>(null);
  const shown = open.value && connection.value.state !== "denied";
  useEffect(() => {
    if (shown) element.current?.showModal();
    else element.current?.close();
  }, [shown]);
  return (
    <dialog ref={element} class="palette" onClose={() => (open.value = false)} aria-label="Search">
      {shown && <Finder />}
    </dialog>
  );
}

function Finder() {
  const [text, setText] = useState("");
  const [asked, setAsked] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);

  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), 150);
    return () => clearTimeout(timer);
  }, [text]);

  const wanted = asked.length >= 1;
  const agents = useTopic("agents", wanted ? { filter: asked, limit: 8, every_ms: 5000 } : null);
  const dialogues = useTopic(
    "dialogues",
    wanted ? { text: asked, limit: 6, every_ms: 5000 } : null,
  );
  const peers = useTopic("peers", { every_ms: 5000 });

  const waiting =
    text.trim() !== asked || (wanted && !agents.value.live && agents.value.error === null);

  const found = [
    ...viewsNamed(text),
    ...(wanted ? agentsFound(agents.value.data?.agents ?? []) : []),
    ...(wanted ? peersFound(peers.value.data?.peers ?? [], asked) : []),
    ...(wanted ? dialoguesFound(dialogues.value.data?.dialogues ?? []) : []),
    ...idsOf(text),
  ];
  const chosen = Math.min(at, found.length - 1);

  useEffect(() => {
    list.current?.children[chosen]?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const visit = (one: Found | undefined) => {
    if (one === undefined) return;
    open.value = false;
    location.hash = one.href;
  };

  return (
    <>
      <input
        class="palette-field"
        type="text"
        role="combobox"
        aria-label="Search"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length > 0 ? `palette-${chosen}` : undefined}
        placeholder="Agents, hosts, dialogues, ids, views"
        autocomplete="off"
        spellcheck={false}
        autofocus
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, found.length - 1));
          else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
          else if (event.key === "Enter") visit(found[chosen]);
          else return;
          event.preventDefault();
        }}
      />
      <ul id="palette-list" class="palette-list" role="listbox" ref={list}>
        {found.map((one, i) => (
          <li
            key={`${one.kind} ${one.href}`}
            id={`palette-${i}`}
            role="option"
            aria-selected={i === chosen}
            onClick={() => visit(one)}
            onMouseMove={() => setAt(i)}
          >
            <span class="palette-kind muted">{one.kind}</span>
            <bdi class="cut">{visible(one.label)}</bdi>
            <span class="palette-note muted cut">{visible(one.note)}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && (
        <div class="palette-none muted">{waiting ? "Looking…" : "Nothing found."}</div>
      )}
    </>
  );
}

function viewsNamed(text: string): Found[] {
  const wanted = text.trim().toLowerCase();
  return views.flatMap(({ nav, path }): Found[] =>
    nav !== undefined && nav.label.toLowerCase().startsWith(wanted)
      ? [
          {
            kind: "view",
            label: nav.label,
            note: `g ${nav.key}`,
            href: path === "" ? "#/" : link([path]),
          },
        ]
      : [],
  );
}

function agentsFound(agents: Agent[]): Found[] {
  return agents.map((agent) => ({
    kind: "agent",
    label: agent.name,
    note: agent.status,
    href: to.agent(agent.name),
  }));
}

function peersFound(peers: Peer[], text: string): Found[] {
  return peers
    .filter((peer) => `${peer.did} ${peer.url ?? ""}`.includes(text))
    .slice(0, 5)
    .map((peer) => ({
      kind: "host",
      label: peer.url ?? shortDid(peer.did),
      note: peer.linked ? "linked" : "not linked",
      href: to.network({ focus: peer.did }),
    }));
}

function dialoguesFound(dialogues: Dialogue[]): Found[] {
  return dialogues.map((one) => ({
    kind: "dialogue",
    label: `${one.agent} and ${peerName(one) ?? shortDid(one.peer)}`,
    note: `${one.protocol} ${one.last}`,
    href: to.dialogue(one.agent, one.peer, one.thid),
  }));
}

/** An id says not what it is of. */
function idsOf(text: string): Found[] {
  const id = text.trim().toLowerCase();
  if (!/^[0-9a-f]{8,64}$/.test(id)) return [];
  const whole = id.length === 32;
  return [
    ...(whole
      ? [{ kind: "message", label: shortId(id), note: "and its evidence", href: to.message(id) }]
      : []),
    { kind: "deal", label: shortId(id), note: "", href: to.deal(id) },
    {
      kind: "thread",
      label: shortId(id),
      note: "dialogues with it",
      href: to.dialogues({ text: id }),
    },
  ];
}
