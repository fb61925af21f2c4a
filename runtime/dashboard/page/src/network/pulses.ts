// Messages on their way, on the upper canvas: one dot each while they are few. When they are many, a sample
// is shown, and how many there are is told by the width of the ties beneath.
import { onScreen, type Sky } from "./drawing";
import { alongWay, wayBetween } from "./geometry";
import { KINDS, type Kind } from "./kinds";
import type { Tie } from "./model";
import type { Moment } from "./recording";

const TRAVEL_MS = 700;
const PULSES_MAX = 260;
const OF_ONE_TIE_MAX = 4; // of one moment

interface Pulse {
  tie: Tie;
  kind: Kind;
  start: number;
  radius: number;
}

export class Pulses {
  private pulses: Pulse[] = [];

  get count(): number {
    return this.pulses.length;
  }

  clear(): void {
    this.pulses = [];
  }

  /** Those of a moment set out within `over_ms` from `now`. */
  spawn(moment: Moment, now: number, over_ms: number, random: () => number = Math.random): void {
    const room = PULSES_MAX - this.pulses.length;
    if (room <= 0 || moment.messages === 0) return;
    const share = Math.min(1, room / moment.messages);
    for (let i = 0; i < moment.ties.length && this.pulses.length < PULSES_MAX; i++) {
      const count = moment.counts[i]!;
      const exact = count * share;
      const pulses = Math.min(
        OF_ONE_TIE_MAX,
        Math.floor(exact) + (random() < exact - Math.floor(exact) ? 1 : 0),
      );
      for (let j = 0; j < pulses; j++) {
        const start = now + over_ms * ((j + random()) / pulses);
        const radius = count / Math.max(1, pulses) > 8 ? 4 : 3;
        this.pulses.push({ tie: moment.ties[i]!, kind: KINDS[moment.kinds[i]!]!, start, radius });
      }
    }
  }

  /** Draws those under way; forgets those that have arrived. True: some are left. */
  draw(sky: Sky, now: number, bent: boolean, isSeen: (tie: Tie) => boolean): boolean {
    const { context, view, palette, sprites, width, height } = sky;
    let kept = 0;
    for (const pulse of this.pulses) {
      const part = (now - pulse.start) / TRAVEL_MS;
      if (part >= 1) continue;
      this.pulses[kept++] = pulse;
      if (part < 0 || !isSeen(pulse.tie)) continue;
      const from = onScreen(view, pulse.tie.from);
      const to = onScreen(view, pulse.tie.to);
      const at = alongWay(wayBetween(from, to, bent), part * part * (3 - 2 * part));
      if (at.x < -8 || at.y < -8 || at.x > width + 8 || at.y > height + 8) continue;
      const { canvas, half } = sprites.pulse(palette.kinds[pulse.kind], pulse.radius);
      context.drawImage(canvas, at.x - half, at.y - half, 2 * half, 2 * half);
    }
    this.pulses.length = kept;
    return kept > 0;
  }
}
