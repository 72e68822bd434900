import { contours } from "d3-contour";
import type uPlot from "uplot";
import { chart, show } from "../ui/chart.ts";
import { h } from "../ui/dom.ts";
import { cssColor } from "../ui/theme.ts";
import { placeLabels } from "./labels.ts";
import type { Surface } from "./surfaces.ts";

/** A line to draw over the surface. */
export interface Path {
  readonly color: string;
  readonly points: readonly (readonly [number, number])[];
  readonly dashed?: boolean;
  /** Written at its end. */
  readonly label?: string;
}

export interface SurfacePlot {
  /** Draws another surface, the start on it with a hint, and paths. */
  draw(surface: Surface, start: readonly [number, number], hint: string, paths: readonly Path[]): void;
}

/** Pixels between two samples of f, and the number of levels. */
const CELL = 4;
const LEVELS = 16;

/** Two opposite points, so that the axes have a range to span; they are invisible. */
const FRAME = { name: "frame", color: "--invisible" };

/** Contours and paths, each with its name at its end; `onPick` is told where the user points. */
export function surfacePlot(
  host: HTMLElement,
  label: string,
  onPick: (x: number, y: number) => void,
  signal: AbortSignal,
): SurfacePlot {
  let surface: Surface | undefined;
  let start: readonly [number, number] = [0, 0];
  let hint = "";
  let paths: readonly Path[] = [];
  let background: { key: unknown[]; canvas: HTMLCanvasElement } | undefined;

  const paintContours = (plot: uPlot): void => {
    if (surface === undefined) return;
    const { left, top, width, height } = plot.bbox;
    const key = [surface, width, height, cssColor("--ink")];
    if (background?.key.some((part, i) => part !== key[i]) ?? true) {
      background = { key, canvas: contourImage(surface, Math.round(width), Math.round(height)) };
    }
    plot.ctx.drawImage(background!.canvas, left, top);
  };

  const paintPaths = (plot: uPlot): void => {
    if (surface === undefined) return;
    const { ctx, bbox } = plot;
    const unit = devicePixelRatio;
    const at = ([x, y]: readonly [number, number]): [number, number] => [
      plot.valToPos(x, "x", true),
      plot.valToPos(y, "y", true),
    ];
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.lineJoin = "round";
    for (const { color, points, dashed } of paths) {
      const line = points.map(at);
      const path = new Path2D();
      for (const [x, y] of line) path.lineTo(x, y);
      // A rim in the color of the page keeps lines apart that lie on each other.
      ctx.setLineDash(dashed ? [5 * unit, 4 * unit] : []);
      ctx.lineWidth = 4 * unit;
      ctx.strokeStyle = cssColor("--page");
      ctx.globalAlpha = 0.6;
      ctx.stroke(path);
      ctx.globalAlpha = 1;
      ctx.lineWidth = 2 * unit;
      ctx.strokeStyle = ctx.fillStyle = cssColor(color);
      ctx.stroke(path);
      if (dashed) continue;
      if (line.length <= 80 && paths.length <= 4) for (const [x, y] of line) dot(ctx, x, y, 2.5 * unit);
      dot(ctx, ...line.at(-1)!, 5.5 * unit, cssColor("--page"));
    }
    ctx.setLineDash([]);
    for (const [x, y] of surface.minima.map(at)) markMinimum(ctx, x, y, unit);
    ctx.fillStyle = cssColor("--page");
    ctx.strokeStyle = cssColor("--ink");
    ctx.lineWidth = 2 * unit;
    dot(ctx, ...at(start), 6 * unit, ctx.strokeStyle);
    ctx.globalAlpha = 0.5;
    ring(ctx, ...at(start), 11 * unit);
    ctx.restore();
    showLabels(plot);
  };

  const labels = h("div", { class: "ends", "aria-hidden": "true" });
  const showLabels = (plot: uPlot): void => {
    // What is drawn last comes first: its name is nearest to it.
    const named: Path[] = paths.filter(({ label }) => label !== undefined).toReversed();
    if (hint !== "") named.unshift({ color: "--ink", points: [start], label: hint });
    // Elements stay, and are measured together: one layout a frame.
    while (labels.childElementCount > named.length) labels.lastChild!.remove();
    while (labels.childElementCount < named.length) labels.append(h("span"));
    const spans = [...labels.children] as HTMLElement[];
    named.forEach(({ label, color }, i) => {
      spans[i]!.textContent = label!;
      spans[i]!.style.color = `var(${color})`;
    });
    const box = { width: plot.over.clientWidth, height: plot.over.clientHeight };
    const within = (value: number, most: number): number => Math.min(Math.max(value, 0), most);
    const ends = named.map(({ points }, i) => {
      const [x, y] = points.findLast((point) => point.every(Number.isFinite))!;
      return {
        x: within(plot.valToPos(x, "x"), box.width),
        y: within(plot.valToPos(y, "y"), box.height),
        width: spans[i]!.offsetWidth,
      };
    });
    placeLabels(ends, box).forEach(([left, y], i) => {
      spans[i]!.style.transform = `translate(${left}px, ${y}px) translateY(-50%)`;
    });
  };

  const plot = chart(host, {
    label,
    x: { label: "x₁", range: () => surface?.window.x ?? [0, 1] },
    y: { label: "x₂", range: () => surface?.window.y ?? [0, 1] },
    series: [FRAME],
    grid: false,
    hooks: { drawClear: [paintContours], draw: [paintPaths] },
    signal,
  });

  plot.over.append(labels);

  const pick = (event: PointerEvent): void => {
    const box = plot.over.getBoundingClientRect();
    onPick(plot.posToVal(event.clientX - box.left, "x"), plot.posToVal(event.clientY - box.top, "y"));
  };
  plot.over.addEventListener("pointerdown", (event) => {
    plot.over.setPointerCapture(event.pointerId);
    pick(event);
  });
  plot.over.addEventListener("pointermove", (event) => {
    if (plot.over.hasPointerCapture(event.pointerId)) pick(event);
  });

  return {
    draw(nextSurface, nextStart, nextHint, nextPaths) {
      const isNew = surface?.window !== nextSurface.window;
      [surface, start, hint, paths] = [nextSurface, nextStart, nextHint, nextPaths];
      if (isNew) {
        const { x, y } = surface.window;
        show(plot, [x, y]);
      } else plot.redraw(false);
    },
  };
}

function dot(ctx: CanvasRenderingContext2D, x: number, y: number, radius: number, rim?: string): void {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.fill();
  if (rim === undefined) return;
  ctx.strokeStyle = rim;
  ctx.stroke();
}

function ring(ctx: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.stroke();
}

/** A ring around a minimum, wider than the end of a path, and its name, left of where the names of paths are. */
function markMinimum(ctx: CanvasRenderingContext2D, x: number, y: number, unit: number): void {
  ctx.strokeStyle = ctx.fillStyle = cssColor("--ink");
  ctx.lineWidth = 1.25 * unit;
  ring(ctx, x, y, 10 * unit);
  ctx.beginPath();
  ctx.moveTo(x, y + 10 * unit);
  ctx.lineTo(x, y + 30 * unit);
  ctx.stroke();
  ctx.font = `${12 * unit}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  ctx.fillText("minimum", x - 4 * unit, y + 30 * unit);
}

/** Level lines at even distances of the logarithm of f above its least value; the higher, the darker. */
function contourImage({ f, window: { x, y } }: Surface, width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const cell = CELL * devicePixelRatio;
  const [columns, rows] = [Math.ceil(width / cell) + 1, Math.ceil(height / cell) + 1];
  const values = Array.from({ length: columns * rows }, (_, i) => {
    const across = ((i % columns) * cell) / width;
    const down = (Math.floor(i / columns) * cell) / height;
    return f(x[0] + across * (x[1] - x[0]), y[1] - down * (y[1] - y[0]));
  });
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length < 2) return canvas;
  const least = sorted[0]!;
  const low = sorted[Math.floor(sorted.length / 50)]! - least || 1;
  const warped = values.map((value) => Math.log1p((value - least) / low));
  const top = Math.log1p((sorted.at(-1)! - least) / low);
  const levels = Array.from({ length: LEVELS }, (_, k) => (top * (k + 0.5)) / LEVELS);

  const ctx = canvas.getContext("2d")!;
  ctx.fillStyle = ctx.strokeStyle = cssColor("--contour");
  ctx.lineWidth = devicePixelRatio;
  const rings = contours().size([columns, rows]).thresholds(levels);
  for (const { coordinates } of rings(warped)) {
    const path = new Path2D();
    for (const ring of coordinates.flat()) {
      ring.forEach(([column, row], i) => {
        const [px, py] = [(column! - 0.5) * cell, (row! - 0.5) * cell];
        if (i === 0) path.moveTo(px, py);
        else path.lineTo(px, py);
      });
      path.closePath();
    }
    ctx.globalAlpha = 0.035;
    ctx.fill(path, "evenodd");
    ctx.globalAlpha = 0.28;
    ctx.stroke(path);
  }
  return canvas;
}
