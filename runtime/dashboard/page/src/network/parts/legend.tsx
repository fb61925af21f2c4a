// What shapes, lines and colours mean.
import { useEffect, useRef } from "preact/hooks";
import { dark } from "../../ui/theme";
import { KIND_WORDS, KINDS } from "../kinds";
import { readPalette } from "../palette";
import { paintShape, SHAPES, SHAPE_WORDS, type Shape } from "../sprites";

export function Legend() {
  return (
    <div class="net-legend">
      <ul>
        {SHAPES.map((shape) => (
          <li key={shape}>
            <ShapeIcon shape={shape} /> {SHAPE_WORDS[shape]}
          </li>
        ))}
      </ul>
      <ul>
        {KINDS.map((kind) => (
          <li key={kind}>
            <svg viewBox="0 0 20 8" width="20" height="8" aria-hidden="true" class={`tone-${kind}`}>
              <path d="M0 4h20" stroke="currentColor" stroke-width="2" />
              <circle cx="10" cy="4" r="3.2" fill="currentColor" />
            </svg>
            {KIND_WORDS[kind]}
          </li>
        ))}
      </ul>
      <p class="muted">
        A circle is a host, with its agents inside: a full line around this one, a broken one around
        others. The width of a line tells how many messages went within ten seconds, its strength
        how long ago the last one was.
      </p>
    </div>
  );
}

function ShapeIcon({ shape }: { shape: Shape }) {
  const place = useRef<HTMLCanvasElement>(null);
  const isDark = dark.value;
  useEffect(() => {
    const canvas = place.current;
    const context = canvas?.getContext("2d");
    if (!canvas || !context) return;
    const pixels = Math.min(2, devicePixelRatio || 1);
    canvas.width = canvas.height = 18 * pixels;
    context.setTransform(pixels, 0, 0, pixels, 9 * pixels, 9 * pixels);
    paintShape(context, shape, 6, readPalette());
  }, [shape, isDark]);
  return <canvas ref={place} class="net-icon" aria-hidden="true" />;
}
