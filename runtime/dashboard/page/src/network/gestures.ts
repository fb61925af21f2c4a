// Pointer, wheel and keys on the graph, as what they mean: moved, zoomed, chosen.

export interface Gestures {
  pan(dx: number, dy: number): void;
  zoom(factor: number, x: number, y: number): void;
  hover(x: number, y: number): void;
  leave(): void;
  choose(x: number, y: number): void;
  open(x: number, y: number): void;
  fit(): void;
  /** True: it was of use. */
  key(event: KeyboardEvent): boolean;
}

const CLICK_PIXELS = 5;
const DOUBLE_MS = 350;

/** Returns what takes the listeners off again. */
export function listen(element: HTMLElement, gestures: Gestures): () => void {
  const pointers = new Map<number, { x: number; y: number }>();
  let moved = 0;
  let spread = 0;
  let clicked = -Infinity;

  const place = (event: MouseEvent) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const fingers = () => {
    const [a, b] = [...pointers.values()];
    if (!a || !b) return undefined;
    const apart = Math.hypot(a.x - b.x, a.y - b.y);
    return { apart, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, place(event));
    element.setPointerCapture(event.pointerId);
    moved = pointers.size > 1 ? Infinity : 0; // two fingers choose nothing
    spread = fingers()?.apart ?? 0;
  };
  const move = (event: PointerEvent) => {
    const now = place(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") gestures.hover(now.x, now.y);
      return;
    }
    const middle = fingers();
    pointers.set(event.pointerId, now);
    const after = fingers();
    if (middle && after) {
      gestures.pan(after.x - middle.x, after.y - middle.y);
      if (spread > 0 && after.apart > 0) gestures.zoom(after.apart / spread, after.x, after.y);
      spread = after.apart;
      return;
    }
    moved += Math.hypot(now.x - before.x, now.y - before.y);
    if (moved > CLICK_PIXELS) gestures.pan(now.x - before.x, now.y - before.y);
  };
  const up = (event: PointerEvent) => {
    const was = pointers.get(event.pointerId);
    if (!was) return;
    pointers.delete(event.pointerId);
    if (event.type === "pointercancel" || moved > CLICK_PIXELS || pointers.size > 0) return;
    const at = place(event);
    if (event.timeStamp - clicked < DOUBLE_MS) {
      clicked = -Infinity;
      gestures.open(at.x, at.y);
    } else {
      clicked = event.timeStamp;
      gestures.choose(at.x, at.y);
    }
  };
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const at = place(event);
    // A pinch on a touchpad comes as a wheel with small steps.
    const strength = event.ctrlKey ? 0.01 : 0.0016;
    const steps = Math.max(-300, Math.min(300, event.deltaY * lines));
    gestures.zoom(Math.exp(-steps * strength), at.x, at.y);
  };
  const leave = () => gestures.leave();
  const key = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== element) return;
    if (gestures.key(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };

  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointerleave", leave);
  element.addEventListener("wheel", wheel, { passive: false });
  element.addEventListener("keydown", key);
  return () => {
    element.removeEventListener("pointerdown", down);
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", up);
    element.removeEventListener("pointercancel", up);
    element.removeEventListener("pointerleave", leave);
    element.removeEventListener("wheel", wheel);
    element.removeEventListener("keydown", key);
  };
}
