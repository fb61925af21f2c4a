// The two canvases, the camera over them and the loop that draws: the ground when something has changed, the
// sky each frame while messages are under way, and nothing at all while nothing moves.
import { between, centred, fitted, zoomed, type Bounds, type View } from "./camera";
import { drawFocus, drawGround, isBent, isDim, type Focus, type Ground } from "./drawing";
import { FrameMeter, type Frames } from "./frames";
import { listen } from "./gestures";
import { hitAt, type Hit } from "./hit";
import { Labels } from "./labels";
import type { Node, Tie } from "./model";
import { readPalette, type Palette } from "./palette";
import { Pulses } from "./pulses";
import type { Moment } from "./recording";
import type { Scene } from "./scene";
import { Sprites } from "./sprites";

const FIT_MARGIN = 34;
const GLIDE_MS = 450;
/** A ground that takes longer than this is shown moved or scaled while the view moves, and drawn after. */
const QUICK_MS = 9;
const REST_MS = 140;
const BLUR_MS = 300;
/** Colours fade: the ground is drawn again after this, if anything is on it that fades. */
const FADE_MS = 400;
const FADE_SHARE = 12;
const FRAME_MS = 1000 / 60;
/** Nodes are two thirds of their way nearer after this. */
const GLIDE_NODES_MS = 120;

export interface StageEvents {
  choose(hit: Hit): void;
  open(hit: Hit): void;
  hover(hit: Hit, x: number, y: number): void;
  /** Before each ground: what is to be drawn. */
  scene(): Scene | undefined;
  /** A key that the stage has no use for. */
  key(event: KeyboardEvent): boolean;
}

interface Glide {
  from: View;
  to: View;
  start: number;
}

export class Stage {
  readonly pulses = new Pulses();
  readonly focus: Focus = { selected: undefined, hovered: undefined, tie: undefined };
  private readonly meter = new FrameMeter();
  private palette: Palette = readPalette();
  private readonly sprites: Sprites;
  private readonly labels: Labels;
  private readonly ground: HTMLCanvasElement;
  private readonly sky: HTMLCanvasElement;
  private readonly calm = matchMedia("(prefers-reduced-motion: reduce)");
  private pixels = 1;
  private width = 0;
  private height = 0;
  private view: View = { scale: 1, x: 0, y: 0 };
  private glide: Glide | undefined;
  private scene: Scene | undefined;
  private drawnView: View = { scale: 1, x: 0, y: 0 };
  private groundDue = true;
  private groundCost = 0;
  private groundAt = -Infinity;
  private frameAt = 0;
  /** The next frame comes at once: nothing but drawing makes it late. */
  private asked = false;
  private viewMoved = -Infinity;
  private fadeDue = Infinity;
  private touched = false;
  private fittedOnce = false;
  private frame = 0;
  private timer = 0;
  private readonly release: (() => void)[] = [];

  constructor(
    private readonly element: HTMLElement,
    private readonly events: StageEvents,
  ) {
    this.pixels = Math.min(2, window.devicePixelRatio || 1);
    this.sprites = new Sprites(this.palette, this.pixels);
    const font = getComputedStyle(element).fontFamily;
    this.labels = new Labels(this.palette, this.pixels, font);
    this.ground = document.createElement("canvas");
    this.sky = document.createElement("canvas");
    element.append(this.ground, this.sky);
    this.observe();
    window.haggleFrames = () => this.frames();
    this.release.push(() => delete window.haggleFrames);
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    for (const release of this.release) release();
    this.ground.remove();
    this.sky.remove();
  }

  frames(): Frames {
    return {
      ...this.meter.told(performance.now()),
      agents: this.scene?.agents.length ?? 0,
      ties: this.scene?.traffic.ties.length ?? 0,
      pulses: this.pulses.count,
    };
  }

  get isCalm(): boolean {
    return this.calm.matches;
  }

  /** The viewer has moved the view: it is not fitted by itself any more. */
  get isTouched(): boolean {
    return this.touched;
  }

  /** What is under the pointer. */
  hover(node: Node | undefined, tie: Tie | undefined): void {
    if (this.focus.hovered === node && this.focus.tie === tie) return;
    this.focus.hovered = node;
    this.focus.tie = tie;
    this.wake();
  }

  /** Something about what is drawn has changed. */
  changed(): void {
    this.groundDue = true;
    this.wake();
  }

  send(moments: readonly Moment[], over_ms: number): void {
    if (this.isCalm || document.hidden) return;
    const now = performance.now();
    for (const moment of moments) this.pulses.spawn(moment, now, over_ms);
    if (this.pulses.count > 0) this.wake();
  }

  fit(by: "viewer" | "itself"): void {
    const bounds = this.bounds();
    if (!bounds || this.width === 0) return;
    if (by === "viewer") this.touched = false;
    const to = fitted(bounds, this.width, this.height, FIT_MARGIN);
    this.glideTo(to, !this.fittedOnce);
    this.fittedOnce = true;
  }

  centre(node: Node): void {
    this.touched = true;
    this.glideTo(centred(this.view, node.toX, node.toY, this.width, this.height), false);
  }

  zoomBy(factor: number): void {
    this.touched = true;
    this.glideTo(zoomed(this.view, factor, this.width / 2, this.height / 2), false);
  }

  private glideTo(to: View, at_once: boolean): void {
    if (at_once || this.isCalm) {
      this.view = to;
      this.glide = undefined;
    } else {
      this.glide = { from: this.view, to, start: performance.now() };
    }
    this.changed();
  }

  private bounds(): Bounds | undefined {
    const discs = this.events.scene()?.discs ?? [];
    if (discs.length === 0) return undefined;
    const bounds = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    for (const disc of discs) {
      bounds.left = Math.min(bounds.left, disc.x - disc.radius);
      bounds.top = Math.min(bounds.top, disc.y - disc.radius);
      bounds.right = Math.max(bounds.right, disc.x + disc.radius);
      bounds.bottom = Math.max(bounds.bottom, disc.y + disc.radius);
    }
    return bounds;
  }

  // What comes from outside ------------------------------------------------------------------------

  private observe(): void {
    const resized = new ResizeObserver(() => this.resize());
    resized.observe(this.element);
    const themed = new MutationObserver(() => this.restyle());
    themed.observe(document.documentElement, { attributes: true });
    const shown = () => this.changed();
    document.addEventListener("visibilitychange", shown);
    this.release.push(
      () => resized.disconnect(),
      () => themed.disconnect(),
      () => document.removeEventListener("visibilitychange", shown),
      listen(this.element, {
        pan: (dx, dy) => this.moveTo({ ...this.view, x: this.view.x + dx, y: this.view.y + dy }),
        zoom: (factor, x, y) => this.moveTo(zoomed(this.view, factor, x, y)),
        hover: (x, y) => this.events.hover(this.hit(x, y), x, y),
        leave: () => this.events.hover({}, 0, 0),
        choose: (x, y) => this.events.choose(this.hit(x, y)),
        open: (x, y) => this.events.open(this.hit(x, y)),
        fit: () => this.fit("viewer"),
        key: (event) => this.key(event),
      }),
    );
    this.resize();
  }

  private hit(x: number, y: number): Hit {
    return this.scene ? hitAt(this.scene, this.view, x, y) : {};
  }

  private key(event: KeyboardEvent): boolean {
    const step = event.shiftKey ? 200 : 60;
    const pans: { [key: string]: [number, number] } = {
      ArrowLeft: [step, 0],
      ArrowRight: [-step, 0],
      ArrowUp: [0, step],
      ArrowDown: [0, -step],
    };
    const pan = Object.hasOwn(pans, event.key) ? pans[event.key] : undefined;
    if (pan) this.moveTo({ ...this.view, x: this.view.x + pan[0], y: this.view.y + pan[1] });
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.4);
    else if (event.key === "-") this.zoomBy(1 / 1.4);
    else if (event.key === "0") this.fit("viewer");
    else return this.events.key(event);
    return true;
  }

  private moveTo(view: View): void {
    this.touched = true;
    this.glide = undefined;
    this.view = view;
    this.viewMoved = performance.now();
    this.groundDue = true;
    this.wake();
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.element;
    if (clientWidth === 0 || clientHeight === 0) return;
    const pixels = Math.min(2, window.devicePixelRatio || 1);
    if (clientWidth === this.width && clientHeight === this.height && pixels === this.pixels)
      return;
    const first = this.width === 0;
    this.width = clientWidth;
    this.height = clientHeight;
    this.pixels = pixels;
    for (const canvas of [this.ground, this.sky]) {
      canvas.width = Math.round(clientWidth * pixels);
      canvas.height = Math.round(clientHeight * pixels);
    }
    this.restyle();
    if (first || !this.touched) this.fit("itself");
  }

  private restyle(): void {
    this.palette = readPalette();
    this.sprites.reset(this.palette, this.pixels);
    this.labels.reset(this.palette, this.pixels);
    this.changed();
  }

  // The loop ---------------------------------------------------------------------------------------

  private wake(): void {
    if (this.frame === 0 && !document.hidden) {
      this.frame = requestAnimationFrame((now) => this.draw(now));
    }
  }

  private draw(now: number): void {
    this.frame = 0;
    this.meter.frame(now);
    // What is drawn is painted after this function has returned: the next frame tells what it took.
    if (this.asked && this.groundAt === this.frameAt) {
      this.groundCost = 0.5 * this.groundCost + 0.5 * Math.max(0, now - this.frameAt - FRAME_MS);
    }
    const moving = this.advance(now, Math.min(100, now - this.frameAt));
    this.frameAt = now;
    const resting = now - this.viewMoved > REST_MS && !this.glide;
    if (now >= this.fadeDue) this.groundDue = true;
    if (this.groundDue || moving) {
      const blurred = now - this.groundAt > Math.max(BLUR_MS, this.groundCost * FADE_SHARE);
      if (resting || moving || blurred || this.groundCost < QUICK_MS) this.drawGround(now);
      else this.slideGround();
    }
    const flying = this.drawSky(now);
    this.asked = this.groundDue || flying || moving || this.glide !== undefined;
    if (this.asked) this.wake();
    else this.sleepUntilFade(now);
  }

  /** Gliding of the view, and of nodes to their places. True: nodes have moved. */
  private advance(now: number, passed: number): boolean {
    if (this.glide) {
      const part = Math.min(1, (now - this.glide.start) / GLIDE_MS);
      const eased = 1 - Math.pow(1 - part, 3);
      this.view = between(this.glide.from, this.glide.to, eased);
      this.groundDue = true;
      if (part === 1) this.glide = undefined;
    }
    let moving = false;
    const step = 1 - Math.exp(-passed / GLIDE_NODES_MS);
    const present = [...(this.scene?.agents ?? []), ...(this.scene?.hosts ?? [])];
    for (const { node } of present) {
      const dx = node.toX - node.x;
      const dy = node.toY - node.y;
      if (dx === 0 && dy === 0) continue;
      moving = true;
      const near = this.isCalm || (Math.abs(dx) < 0.2 && Math.abs(dy) < 0.2);
      node.x += near ? dx : dx * step;
      node.y += near ? dy : dy * step;
    }
    return moving;
  }

  private drawGround(now: number): void {
    const start = performance.now();
    this.scene = this.events.scene();
    this.groundDue = false;
    const context = this.ground.getContext("2d", { alpha: false });
    if (!context || !this.scene) return;
    context.setTransform(this.pixels, 0, 0, this.pixels, 0, 0);
    const { width, height, view, palette, sprites, labels } = this;
    const ground: Ground = { context, width, height, view, palette, sprites, labels };
    drawGround(ground, this.scene, this.focus);
    this.drawnView = view;
    this.ground.style.transform = "";
    this.groundAt = now;
    this.meter.ground(now, performance.now() - start, this.groundCost);
    const fades = this.scene.traffic.messages > 0;
    this.fadeDue = fades ? now + Math.max(FADE_MS, this.groundCost * FADE_SHARE) : Infinity;
  }

  /** The picture of before, where it would be in this view: blurred for a moment, but at once. */
  private slideGround(): void {
    const scale = this.view.scale / this.drawnView.scale;
    const x = this.view.x - this.drawnView.x * scale;
    const y = this.view.y - this.drawnView.y * scale;
    this.ground.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
  }

  private drawSky(now: number): boolean {
    const start = performance.now();
    const context = this.sky.getContext("2d");
    if (!context || !this.scene) return false;
    context.setTransform(this.pixels, 0, 0, this.pixels, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    const bent = isBent(this.scene);
    const { view, palette, sprites, width, height } = this;
    drawFocus(context, { view: this.view, palette: this.palette }, this.focus, bent);
    const { scene, focus } = this;
    const isSeen = (tie: Tie) => !isDim(tie.from, scene, focus) && !isDim(tie.to, scene, focus);
    const sky = { context, view, palette, sprites, width, height };
    const flying = this.pulses.draw(sky, now, bent, isSeen);
    this.meter.sky(now, performance.now() - start);
    return flying;
  }

  private sleepUntilFade(now: number): void {
    clearTimeout(this.timer);
    if (this.fadeDue === Infinity) return;
    this.timer = window.setTimeout(() => this.wake(), Math.max(0, this.fadeDue - now));
  }
}
