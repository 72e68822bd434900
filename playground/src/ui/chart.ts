import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { cssColor, onThemeChange } from "./theme.ts";

export interface Series {
  readonly name: string;
  /** A CSS custom property. */
  readonly color: string;
  readonly dash?: number[];
  /** Marks every point. */
  readonly points?: boolean;
}

export interface Axis {
  readonly label: string;
  /** Base of a logarithmic axis. */
  readonly log?: 2 | 10;
  /** Asked for at every drawing. Default: what the data need. */
  readonly range?: () => readonly [number, number];
}

export interface ChartOptions {
  /** What it shows, for those who do not see it; what the text beside it tells in numbers. */
  readonly label: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly hooks?: uPlot.Hooks.Arrays;
  /** Default true. */
  readonly grid?: boolean;
  readonly signal: AbortSignal;
}

export type Column = readonly (number | null)[];

const FONT = "12px system-ui, sans-serif";

/** A chart that fills its host, which has a size of its own, and follows the theme. */
export function chart(host: HTMLElement, { label, x, y, series, hooks, grid = true, signal }: ChartOptions): uPlot {
  host.setAttribute("role", "img");
  host.setAttribute("aria-label", label);
  // The text around a chart says it, too, where there is no room.
  const isNarrow = host.clientWidth < 480;
  const axis = (text: string, log: number | undefined, size: number): uPlot.Axis => ({
    ...(!isNarrow && { label: text, labelFont: FONT, labelSize: 20, labelGap: 0 }),
    font: FONT,
    size,
    gap: 4,
    stroke: () => cssColor("--muted"),
    grid: {
      show: grid,
      stroke: () => cssColor("--grid"),
      width: 1,
      ...(log === 10 && { filter: (_: uPlot, splits: number[]) => splits.map((at) => (isPower(at) ? at : null)) }),
    },
    ticks: { show: false },
    ...(log !== undefined && { values: (_, splits) => splits.map((value) => value && power(value, log)) }),
  });
  const scale = ({ log, range }: Axis): uPlot.Scale => ({
    time: false,
    ...(log && { distr: 3, log }),
    ...(range && { range: () => [...range()] as [number, number] }),
  });
  const plot = new uPlot(
    {
      ...sizeOf(host),
      scales: { x: scale(x), y: scale(y) },
      axes: [axis(x.label, x.log, 24), axis(y.label, y.log, isNarrow ? 36 : 48)],
      series: [
        {},
        ...series.map(({ name, color, dash, points = false }) => ({
          label: name,
          stroke: () => cssColor(color),
          width: 2,
          points: points ? { show: true, size: 7, fill: () => cssColor(color) } : { show: false },
          ...(dash && { dash }),
        })),
      ],
      legend: { show: false },
      cursor: { show: false },
      padding: [10, isNarrow ? 10 : 20, 0, 0],
      ...(hooks && { hooks }),
    },
    [[], ...series.map(() => [])] as uPlot.AlignedData,
    host,
  );
  const observer = new ResizeObserver(() => plot.setSize(sizeOf(host)));
  observer.observe(host);
  onThemeChange(() => plot.redraw(false), signal);
  signal.addEventListener("abort", () => {
    observer.disconnect();
    plot.destroy();
  });
  return plot;
}

/** Shows columns: x first, then one for each series. */
export function show(plot: uPlot, columns: readonly Column[]): void {
  plot.setData(columns as uPlot.AlignedData);
}

function sizeOf(host: HTMLElement): { width: number; height: number } {
  return { width: Math.max(120, host.clientWidth), height: Math.max(100, host.clientHeight) };
}

function isPower(value: number): boolean {
  return Number.isInteger(Math.round(Math.log10(value) * 1e6) / 1e6);
}

const DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A label of a logarithmic axis. */
function power(value: number, base: number): string {
  if (base === 2) {
    if (value >= 2 ** 20) return `${value / 2 ** 20} Mi`;
    return value >= 1024 ? `${value / 1024} Ki` : `${value}`;
  }
  const exponent = Math.round(Math.log10(value));
  if (Math.abs(exponent) <= 2) return `${Number(value.toPrecision(2))}`;
  return `10${exponent < 0 ? "⁻" : ""}${[...`${Math.abs(exponent)}`].map((digit) => DIGITS[Number(digit)]).join("")}`;
}
