import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as Plot from "@observablehq/plot";
import { DOMParser } from "linkedom";

const SVG = "http://www.w3.org/2000/svg";
const COLORS = ["#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e"];
const MARGINS = { marginTop: 76, marginRight: 32, marginBottom: 52, marginLeft: 76 };

/** A point of a line: x, y. */
export type Point = readonly [x: number, y: number];

/** Lines on which a function of two variables has these values, over the rectangle that the plot is to show. */
export function contours(
  f: (x: number, y: number) => number,
  values: number[],
  rectangle: { x1: number; x2: number; y1: number; y2: number },
): Plot.Contour {
  return Plot.contour({ ...rectangle, value: f, thresholds: values, stroke: "#bbb", pixelSize: 1, clip: true });
}

/** Draws named lines, and what else `options.marks` holds, under a title; writes `examples/out/<name>.svg`. */
export function savePlot(
  name: string,
  title: string,
  lines: Readonly<Record<string, readonly Point[]>>,
  { x, y, marks = [], ...options }: Plot.PlotOptions,
): void {
  const document = new DOMParser().parseFromString("<svg/>", "image/svg+xml") as unknown as Document;
  const write = (text: string, left: number, top: number, style: Plot.TextOptions): Plot.Text =>
    Plot.text([text], {
      frameAnchor: "top-left",
      dx: left - MARGINS.marginLeft,
      dy: top - MARGINS.marginTop,
      ...style,
    });
  let left = 16;
  const legend = Object.keys(lines).map((label, index) => {
    const entry = write(`● ${label}`, left, 44, { fill: COLORS[index]!, fontSize: 13 });
    left += 32 + 7.5 * label.length;
    return entry;
  });
  const svg = Plot.plot({
    document,
    width: 760,
    height: 460,
    ...MARGINS,
    grid: true,
    style: { fontFamily: "sans-serif", fontSize: "13px" },
    x: axis(x),
    y: axis(y),
    ...options,
    marks: [
      ...marks,
      ...Object.values(lines).map((points, index) => Plot.line(points, { stroke: COLORS[index]!, clip: true })),
      write(title, 16, 16, { fontSize: 17, fontWeight: 600 }),
      ...legend,
    ],
  });
  const background = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ width: "100%", height: "100%", fill: "white" })) {
    background.setAttribute(key, value);
  }
  svg.prepend(background);
  svg.setAttribute("xmlns", SVG);
  const file = new URL(`./out/${name}.svg`, import.meta.url);
  mkdirSync(new URL(".", file), { recursive: true });
  writeFileSync(file, `${svg}\n`);
  console.log(`\nPlot: ${fileURLToPath(file)}`);
}

function axis(options: Plot.ScaleOptions = {}): Plot.ScaleOptions {
  const logarithmic = options.type === "log" && { ticks: 6, tickFormat: "~g" };
  return { labelAnchor: "center", labelArrow: "none", ...logarithmic, ...options };
}
