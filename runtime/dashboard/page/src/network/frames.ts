// How smoothly the graph is drawn: window.haggleFrames() tells it to whoever measures (and `?fps` in the
// address of the view shows it).

export interface Frames {
  /** Within the last second. */
  fps: number;
  /** The longest time between two of them. */
  longest_ms: number;
  /** Mean time that drawing took: of what moves, and of all the rest when it had to be drawn. */
  sky_ms: number;
  ground_ms: number;
  /** How long a frame with such a ground was late, painting included. */
  paint_ms: number;
  grounds: number;
  agents: number;
  ties: number;
  pulses: number;
}

declare global {
  interface Window {
    haggleFrames?: () => Frames;
  }
}

const SECOND_MS = 1000;

export class FrameMeter {
  private frames: number[] = [];
  private skies: { at: number; ms: number }[] = [];
  private grounds: { at: number; ms: number }[] = [];
  private paint = 0;

  frame(at: number): void {
    this.frames.push(at);
    drop(this.frames, (one) => one, at);
  }

  sky(at: number, ms: number): void {
    this.skies.push({ at, ms });
    drop(this.skies, (one) => one.at, at);
  }

  ground(at: number, ms: number, paint_ms: number): void {
    this.paint = paint_ms;
    this.grounds.push({ at, ms });
    drop(this.grounds, (one) => one.at, at);
  }

  told(now: number): Omit<Frames, "agents" | "ties" | "pulses"> {
    const frames = this.frames.filter((at) => at > now - SECOND_MS);
    let longest = 0;
    for (let i = 1; i < frames.length; i++) {
      longest = Math.max(longest, frames[i]! - frames[i - 1]!);
    }
    const grounds = this.grounds.filter((one) => one.at > now - SECOND_MS);
    const skies = this.skies.filter((one) => one.at > now - SECOND_MS);
    return {
      fps: frames.length,
      longest_ms: longest,
      sky_ms: mean(skies),
      ground_ms: mean(grounds),
      paint_ms: this.paint,
      grounds: grounds.length,
    };
  }
}

function drop<T>(list: T[], at: (one: T) => number, now: number): void {
  let old = 0;
  while (old < list.length && at(list[old]!) < now - 2 * SECOND_MS) old++;
  if (old > 30) list.splice(0, old);
}

function mean(list: { ms: number }[]): number {
  return list.length > 0 ? list.reduce((sum, one) => sum + one.ms, 0) / list.length : 0;
}
