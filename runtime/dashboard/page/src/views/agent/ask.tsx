// Asks an agent something, by a form made from the protocols that it declares; the answer is shown beside it.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { call, CallError } from "../../feed/connection";
import { useCall } from "../../feed/polling";
import type { Envelope } from "../../feed/types";
import { setQuery, to } from "../../route";
import {
  Did,
  Empty,
  Facts,
  Failure,
  formatDuration,
  Id,
  Json,
  Loading,
  Panel,
  Performative,
  Select,
  Time,
  visible,
  whyNot,
} from "../../ui";
import { bodyOf, formsOf, hintOf, Wrong, type Field, type Form } from "./ask_form";

export function AskBox({ name, query }: { name: string; query: URLSearchParams }) {
  const { state } = useCall("agent.protocols", { name });
  const { data, error } = state.value;
  if (error !== null) return <Failure error={error} />;
  if (data === null) return <Loading />;
  const forms = formsOf(data.protocols, data.handlers);
  const form = forms.find((one) => one.type === query.get("type")) ?? forms[0];
  if (form === undefined) {
    return (
      <Panel>
        <Empty title="It listens to nothing">
          It declares no protocol and handles no type of message:{" "}
          <code>agent.on("greet/1.0/hello", …)</code> would.
        </Empty>
      </Panel>
    );
  }
  return <Asking key={form.type} name={name} forms={forms} form={form} />;
}

interface Answer {
  took_ms: number;
  envelope: Envelope | null;
  error: CallError | null;
}

const WITHIN = [
  ["5000", "5 s"],
  ["10000", "10 s"],
  ["30000", "30 s"],
  ["300000", "5 min"],
] as const;

type Within = (typeof WITHIN)[number][0];

function Asking({ name, forms, form }: { name: string; forms: Form[]; form: Form }) {
  const [typed, setTyped] = useState<Record<string, string>>({});
  const [within, setWithin] = useState<Within>("10000");
  const [wrong, setWrong] = useState<Wrong | null>(null);
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const reason = whyNot();

  const ask = async (event: Event) => {
    event.preventDefault();
    let body;
    try {
      body = bodyOf(form, typed);
      setWrong(null);
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      setWrong(error);
      return;
    }
    setBusy(true);
    const began = performance.now();
    const finish = (part: Pick<Answer, "envelope" | "error">) =>
      setAnswer({ took_ms: performance.now() - began, ...part });
    try {
      const args = {
        to: name,
        type: form.type,
        within_ms: Number(within),
        ...(body === undefined ? {} : { body }),
      };
      finish({ envelope: await call("ask", args, Number(within) + 5000), error: null });
    } catch (error) {
      finish({
        envelope: null,
        error: error instanceof CallError ? error : new CallError("internal", String(error)),
      });
    } finally {
      setBusy(false);
    }
  };

  return (
    <div class="ask">
      <Panel title="Ask, as the operator">
        <form onSubmit={(event) => void ask(event)}>
          <Select
            label="What to say"
            value={form.type}
            options={forms.map((one) => [one.type, visible(one.type)] as const)}
            onChange={(type) => setQuery({ type: type === forms[0]?.type ? null : type })}
          />
          {form.fields === null ? (
            <label>
              Body, as JSON
              <textarea
                class={`field ${wrong === null ? "" : "ask-wrong"}`}
                placeholder={'{"name": "you"}'}
                spellcheck={false}
                value={typed[""] ?? ""}
                onInput={(event) => setTyped({ ...typed, "": event.currentTarget.value })}
              />
            </label>
          ) : (
            form.fields.map((field) => (
              <FieldInput
                key={field.name}
                field={field}
                value={typed[field.name] ?? ""}
                wrong={wrong?.field === field.name}
                onChange={(value) => setTyped({ ...typed, [field.name]: value })}
              />
            ))
          )}
          {form.fields?.length === 0 && <p class="muted">It takes no fields.</p>}
          {wrong !== null && (
            <p class="bad" role="alert">
              {visible(wrong.field)} {visible(wrong.message)}
            </p>
          )}
          <div class="row">
            <button
              class="button primary"
              type="submit"
              disabled={busy || reason !== null}
              title={reason ?? undefined}
            >
              {busy ? "Waiting for an answer…" : "Ask"}
            </button>
            <span class="muted">and wait</span>
            <Select
              label="Timeout"
              value={within}
              options={WITHIN}
              onChange={(value) => setWithin(value)}
            />
          </div>
          {reason !== null && <p class="muted">{reason}</p>}
          {form.replies.length > 0 && (
            <p class="muted">
              Possible replies{" "}
              {form.replies.map((reply, i) => (
                <>
                  {i > 0 && ", "}
                  <Performative name={reply} />
                </>
              ))}
              , or refuse.
            </p>
          )}
        </form>
      </Panel>
      <Panel title="Answer">
        {answer === null ? (
          <Empty title={busy ? "Waiting…" : "Nothing asked yet"} />
        ) : (
          <Answered name={name} answer={answer} />
        )}
      </Panel>
    </div>
  );
}

function FieldInput({
  field,
  value,
  wrong,
  onChange,
}: {
  field: Field;
  value: string;
  wrong: boolean;
  onChange(value: string): void;
}) {
  const look = `field ${wrong ? "ask-wrong" : ""}`;
  const label = (
    <span>
      {visible(field.name)} <span class="muted">{visible(hintOf(field))}</span>
    </span>
  );
  if (field.choices !== null || field.type === "boolean") {
    const choices = field.choices ?? [true, false];
    return (
      <label>
        {label}
        <select
          class={look}
          value={value}
          onChange={(event) => onChange(event.currentTarget.value)}
        >
          <option value="">{field.optional ? "nothing" : "choose"}</option>
          {choices.map((choice) => {
            const text = JSON.stringify(choice);
            return (
              <option key={text} value={text}>
                {visible(typeof choice === "string" ? choice : text)}
              </option>
            );
          })}
        </select>
      </label>
    );
  }
  const long = field.type === "list" || field.type === "map" || field.type === "any";
  return (
    <label>
      {label}
      {long ? (
        <textarea
          class={look}
          placeholder={
            field.type === "list" ? "[ … ]" : field.type === "map" ? "{ … }" : "JSON, or a text"
          }
          spellcheck={false}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      ) : (
        <input
          class={look}
          type="text"
          inputmode={
            field.type === "integer" ? "numeric" : field.type === "number" ? "decimal" : "text"
          }
          autocomplete="off"
          spellcheck={false}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </label>
  );
}

function Answered({ name, answer }: { name: string; answer: Answer }) {
  const { took_ms, envelope, error } = answer;
  if (error !== null) {
    return (
      <div role="status">
        <Failure error={error} />
        <p class="muted num">after {formatDuration(took_ms)}</p>
      </div>
    );
  }
  if (envelope === null) return null;
  return (
    <div class="stack" role="status">
      <Facts
        facts={[
          ["Reply", <Performative name={envelope.type.split("/").at(-1) ?? ""} />],
          ["After", <span class="num">{formatDuration(took_ms)}</span>],
          ["At", <Time ms={envelope.created_time} millis />],
          ["From", <Did did={envelope.from} />],
          ["Message", <Id id={envelope.id} href={to.message(envelope.id)} />],
          ...(envelope.thid === undefined
            ? []
            : ([
                [
                  "Dialogue",
                  <Id id={envelope.thid} href={to.dialogue(name, envelope.to, envelope.thid)} />,
                ],
              ] as [string, ComponentChildren][])),
        ]}
      />
      {envelope.body === undefined ? (
        <p class="muted">It has no body.</p>
      ) : (
        <Json value={envelope.body} open={4} />
      )}
    </div>
  );
}
