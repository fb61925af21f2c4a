// What stays around the views: navigation, the connection's state, search, theme.
import { useEffect, useErrorBoundary } from "preact/hooks";
import { connection } from "../feed/connection";
import { matchView, type Matched } from "../match";
import { link, route } from "../route";
import { Empty } from "../ui";
import { Dialogs } from "../ui/dialog";
import { useCurrentInView } from "../ui/tabs";
import { Toasts } from "../ui/toast";
import { views, type View } from "../views";
import { LostBanner } from "./banner";
import { Gate } from "./gate";
import { Header } from "./header";
import { Help } from "./help";
import { Palette } from "./palette";
import { FavIcon, trouble } from "./pulse";
import "./shell.css";

export function Shell() {
  const matched = matchView(views, route.value.parts);
  const denied = connection.value.state === "denied";
  return (
    <>
      <a class="skip button" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <Header />
      <Navigation current={matched?.view ?? null} />
      <main id="main" tabIndex={-1} class={matched?.view.full === true ? "main-full" : ""}>
        <LostBanner />
        {denied ? <Gate /> : <Current matched={matched} />}
      </main>
      <Palette />
      <Help />
      <Dialogs />
      <Toasts />
      <FavIcon />
    </>
  );
}

/** A link would change the route, which is in the hash too. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Current({ matched }: { matched: Matched<View> | null }) {
  const title = matched === null ? "Not found" : matched.view.title(matched.params);
  const mark = trouble.value;
  useEffect(() => {
    document.title = `${mark === "none" ? "" : "▲ "}${title} · Haggle`;
  }, [title, mark]);
  // Before anything is known of the host there is nothing to show; when it is lost, what was last seen stays.
  if (connection.value.hello === null) return <Connecting />;
  if (matched === null) {
    return (
      <Empty title="There is nothing at this address">
        <a href="#/">Go to the overview</a>, or press <kbd>/</kbd> to search.
      </Empty>
    );
  }
  const { view, params } = matched;
  const key = `${view.path} ${view.key?.(params) ?? JSON.stringify(params)}`;
  return <Bounded key={key} view={view} params={params} />;
}

/** A view that fails takes nothing else with it. */
function Bounded({ view, params }: Matched<View>) {
  const [error, reset] = useErrorBoundary((thrown) => console.error(thrown));
  if (error !== undefined) {
    return (
      <Empty title="This view failed">
        <p class="mono">{String(error)}</p>
        <button class="button" type="button" onClick={reset}>
          Try again
        </button>
      </Empty>
    );
  }
  return <view.component params={params} query={route.value.query} />;
}

function Connecting() {
  if (connection.value.state === "lost") {
    return (
      <Empty title="The host does not answer">
        Is it running? <code>haggle run</code> starts one and prints its address. This page goes on
        trying.
      </Empty>
    );
  }
  return <div class="empty loading muted">Connecting…</div>;
}

function Navigation({ current }: { current: View | null }) {
  const group = current?.path.split("/")[0];
  return (
    <nav class="nav" aria-label="Views" ref={useCurrentInView(group)}>
      {views.map(({ nav, path }) =>
        nav === undefined ? null : (
          <a
            key={path}
            href={path === "" ? "#/" : link([path])}
            title={`${nav.label} (g ${nav.key})`}
            aria-current={path === group ? "page" : undefined}
          >
            <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
              <path
                d={nav.icon}
                fill="none"
                stroke="currentColor"
                stroke-width="1.3"
                stroke-linejoin="round"
              />
            </svg>
            <span>{nav.label}</span>
          </a>
        ),
      )}
    </nav>
  );
}
