import { writeFileSync } from "node:fs";
import * as Plot from "@observablehq/plot";
import { DOMParser } from "linkedom";

/** A line of the chart: a rate for each size. */
export interface Line {
  readonly name: string;
  readonly color: string;
  /** Dashed, without dots: not a contestant but a limit. */
  readonly limit: boolean;
  readonly points: readonly (readonly [size: number, rate: number])[];
}

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 860;
const HEIGHT = 560;
const MARGINS = { marginTop: 64, marginRight: 200, marginBottom: 52, marginLeft: 64 };
/** Least distance of two labels' baselines. */
const LABEL_PIXELS = 17;
const RATE_TICKS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];

/** What the axes say. */
export interface Axes {
  readonly size: string;
  readonly rate: string;
}

const PRODUCTS: Axes = { size: "n of an n × n × n product", rate: "GFLOP/s" };

/** Draws rates over sizes, both logarithmic, each line labelled at its right end; writes an SVG file. */
export function saveChart(
  file: string,
  title: string,
  subtitle: string,
  lines: readonly Line[],
  axes: Axes = PRODUCTS,
): void {
  const document = new DOMParser().parseFromString("<svg/>", "image/svg+xml") as unknown as Document;
  const rates = lines.flatMap(({ points }) => points.map(([, rate]) => rate));
  const sizes = [...new Set(lines.flatMap(({ points }) => points.map(([size]) => size)))];
  const [low, high] = [Math.min(...rates), Math.max(...rates) * 1.1];
  const ticks = RATE_TICKS.filter((rate) => rate >= low && rate <= high);
  const bottom = HEIGHT - MARGINS.marginBottom;
  const pixel = (rate: number) => bottom - (Math.log(rate / low) / Math.log(high / low)) * (bottom - MARGINS.marginTop);
  let above = Number.NEGATIVE_INFINITY;
  const labels = lines
    .map((line) => ({ line, end: line.points.at(-1)! }))
    .sort((a, b) => b.end[1] - a.end[1])
    .map(({ line: { name, color }, end: [, rate] }) => {
      // Below the label before it, where the lines themselves are too close.
      above = Math.max(pixel(rate), above + LABEL_PIXELS);
      return Plot.text([name], {
        frameAnchor: "top-right",
        textAnchor: "start",
        lineAnchor: "middle",
        dx: 10,
        dy: above - MARGINS.marginTop,
        fill: color,
        fontWeight: 600,
      });
    });
  const write = (text: string, top: number, style: Plot.TextOptions) =>
    Plot.text([text], {
      frameAnchor: "top-left",
      lineAnchor: "top",
      dx: 12 - MARGINS.marginLeft,
      dy: top - MARGINS.marginTop,
      ...style,
    });
  const svg = Plot.plot({
    document,
    width: WIDTH,
    height: HEIGHT,
    ...MARGINS,
    style: { fontFamily: "sans-serif", fontSize: "13px" },
    x: { type: "log", base: 2, label: axes.size, ticks: sizes, tickFormat: "d", grid: true, ...AXIS },
    y: { type: "log", domain: [low, high], axis: null },
    marks: [
      // With a text of its own: a logarithmic axis leaves some of its labels out.
      Plot.axisY(ticks, { text: String, label: axes.rate, ...AXIS }),
      Plot.gridY(ticks),
      ...lines.flatMap(({ points, color, limit }) => [
        Plot.line(points, { stroke: color, strokeWidth: 2, ...(limit && { strokeDasharray: "6 4" }) }),
        ...(limit ? [] : [Plot.dot(points, { fill: color, r: 3 })]),
      ]),
      ...labels,
      write(title, 12, { fontSize: 17, fontWeight: 600 }),
      write(subtitle, 36, { fill: "#666" }),
    ],
  });
  const background = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ width: "100%", height: "100%", fill: "white" })) {
    background.setAttribute(key, value);
  }
  svg.prepend(background);
  svg.setAttribute("xmlns", SVG);
  writeFileSync(file, `${svg}\n`);
}

const AXIS = { labelAnchor: "center", labelArrow: "none" } as const;
