import type { BackendName, Kind, Report, Result } from "../../../measure/compare.ts";
import { environment } from "../../../measure/environment.ts";
import { formatNumber, formatTime } from "../../../measure/format.ts";
import type { Context } from "../main.ts";
import { chart, show } from "../ui/chart.ts";
import { controls, decode, encode, type Field } from "../ui/controls.ts";
import { button, card, download, h } from "../ui/dom.ts";
import type { Reply, Request } from "./worker.ts";

declare const LANEWISE_VERSION: string;

const BACKENDS: Readonly<Record<BackendName, { name: string; color: string }>> = {
  js: { name: "JavaScript", color: "orange" },
  wasm: { name: "Wasm", color: "blue" },
  threads: { name: "Wasm, threads", color: "green" },
};
const NAMES = Object.keys(BACKENDS) as BackendName[];

const KINDS: Readonly<Record<Kind, { title: string; size: string; about: string }>> = {
  product: {
    title: "Matrix products",
    size: "n of n × n by n × n",
    about: " — billions of additions and multiplications a second, by size.",
  },
  step: { title: "RMSProp steps", size: "parameters", about: " — billions of parameters a second, by their number." },
};

const THREADS = Math.min(4, navigator.hardwareConcurrency);
const ISOLATED = crossOriginIsolated && typeof SharedArrayBuffer === "function";

const FIELDS: readonly Field[] = [
  {
    key: "threads",
    label: `Also on ${THREADS} threads`,
    kind: "check",
    initial: false,
    help: ISOLATED
      ? "Large calls are shared among workers; the bits stay the same."
      : "Unavailable: the page must be served with two headers (cross-origin isolation).",
  },
  {
    key: "samples",
    label: "Samples",
    kind: "select",
    initial: "15",
    choices: [
      ["5", "5 samples, quick"],
      ["15", "15 samples"],
      ["51", "51 samples, slow"],
    ],
  },
];

export default function speed(host: HTMLElement, { parameters, remember, signal }: Context): void {
  const values = decode(FIELDS, parameters);
  const about = environment();
  let results: Result[] = [];
  let worker: Worker | undefined;

  const form = controls(FIELDS, values, () => {
    remember(encode(FIELDS, values));
    start();
  });
  if (!ISOLATED) form.disable("threads", "needs a cross-origin isolated page");
  const status = h("p", { role: "status", class: "note" });
  const run = button("Stop", () => (worker ? stop("Stopped.", "stopped") : start()), { class: "primary" });
  const rows = h("tbody");
  const plotHosts = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, h("div", { class: "plot tall" })]));

  host.append(
    h("h1", {}, "JavaScript against Wasm, in this browser"),
    h(
      "p",
      { class: "lead" },
      "The same work by the same package, once as WebAssembly with SIMD (four numbers to an instruction), once as plain " +
        "JavaScript. Both give the same bits; this is checked before timing.",
    ),
    h(
      "div",
      { class: "key" },
      ...NAMES.map((name) => {
        const { name: text, color } = BACKENDS[name];
        return h(
          "span",
          { "data-backend": name },
          h("span", { class: `swatch ${color}`, "aria-hidden": "true" }),
          text,
        );
      }),
    ),
    h(
      "div",
      { class: "halves" },
      ...Object.entries(KINDS).map(([kind, { title, about }]) =>
        h("figure", {}, h("figcaption", {}, h("b", {}, title), about), plotHosts[kind]!),
      ),
    ),
    h("div", { class: "bar" }, run, status),
    h(
      "div",
      { class: "split" },
      card(
        "Results",
        h(
          "div",
          { class: "scroll tablebox", tabindex: 0, role: "region", "aria-label": "Results" },
          h(
            "table",
            { id: "results" },
            h("caption", {}, describeEnvironment()),
            h("thead", {}, h("tr", {}, ...HEAD.map((title) => h("th", { scope: "col" }, title)))),
            rows,
          ),
        ),
        h(
          "div",
          { class: "bar" },
          button("Copy as a table", () => void copy()),
          button("Save as JSON", () => download("lanewise-bench.json", toJson(), "application/json")),
        ),
      ),
      card("What is measured", form.element),
    ),
  );

  const plots = (Object.keys(KINDS) as Kind[]).map((kind) => {
    const plot = chart(plotHosts[kind]!, {
      label: `${KINDS[kind].title}: speed of each backend by size; the table below has the numbers`,
      x: { label: KINDS[kind].size, log: 2, range: () => (kind === "step" ? [512, 2 ** 21] : [8, 512]) },
      y: { label: kind === "step" ? "G parameters/s" : "GFLOP/s", range: () => [0, ceiling(kind)] },
      series: NAMES.map((backend) => ({
        name: BACKENDS[backend].name,
        color: `--${BACKENDS[backend].color}`,
        points: true,
      })),
      signal,
    });
    return { kind, plot };
  });

  signal.addEventListener("abort", () => worker?.terminate());

  function start(): void {
    worker?.terminate();
    host.querySelector<HTMLElement>('[data-backend="threads"]')!.hidden = threads() === 1;
    results = [];
    draw();
    run.textContent = "Stop";
    tell("Measuring …", "running");
    worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => {
      if ("result" in data) {
        results.push(data.result);
        draw();
      } else if ("error" in data) stop(data.error, "failed");
      else stop("Done. Other programs on this machine disturb the figures: run it again to see how much.", "done");
    });
    worker.addEventListener("error", ({ message }) => stop(message, "failed"));
    worker.postMessage({ threads: threads(), samples: Number(values["samples"]) } satisfies Request);
  }

  function threads(): number {
    return ISOLATED && values["threads"] === true ? THREADS : 1;
  }

  function stop(message: string, state: string): void {
    worker?.terminate();
    worker = undefined;
    run.textContent = "Run again";
    tell(message, state);
  }

  function tell(message: string, state: string): void {
    status.textContent = message;
    status.dataset["state"] = state;
  }

  function rateOf(kind: Kind, size: number, backend: BackendName): number | null {
    const found = results.find((known) => known.kind === kind && known.size === size && known.backend === backend);
    return found?.rate ?? null;
  }

  function sizesOf(kind: Kind): number[] {
    return [...new Set(results.filter((result) => result.kind === kind).map(({ size }) => size))];
  }

  function ceiling(kind: Kind): number {
    return Math.max(1e-3, ...results.filter((result) => result.kind === kind).map(({ rate }) => rate * 1.1));
  }

  function draw(): void {
    for (const { kind, plot } of plots) {
      const sizes = sizesOf(kind);
      show(plot, [sizes, ...NAMES.map((backend) => sizes.map((size) => rateOf(kind, size, backend)))]);
    }
    rows.replaceChildren(
      ...results.map((result) => {
        const [what, ...cells] = cellsOf(result);
        return h("tr", {}, h("th", { scope: "row" }, what!), ...cells.map((cell) => h("td", {}, cell)));
      }),
    );
  }

  function cellsOf({ kind, size, backend, threads, median, rate, unit }: Result): string[] {
    const best = Math.max(...NAMES.map((name) => rateOf(kind, size, name) ?? 0));
    const name = `${BACKENDS[backend].name}${backend === "threads" ? ` (${threads})` : ""}`;
    return [
      kind === "step" ? `step, ${size.toLocaleString("en")}` : `${size} × ${size} × ${size}`,
      name,
      formatTime(median),
      `${formatNumber(rate)} ${unit}`,
      `${Math.round((100 * rate) / best)} %`,
    ];
  }

  function describeEnvironment(): string {
    const { runtime, engine, cpu, platform, date } = about;
    return [`Lanewise ${LANEWISE_VERSION}`, runtime, engine, cpu, platform, date].filter(Boolean).join(", ");
  }

  async function copy(): Promise<void> {
    const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
    const lines = [HEAD, HEAD.map(() => "---"), ...results.map(cellsOf)].map(line);
    try {
      await navigator.clipboard.writeText(`${describeEnvironment()}\n\n${lines.join("\n")}\n`);
      status.textContent = "Copied.";
    } catch {
      status.textContent = "This browser does not let the page copy; select the table instead.";
    }
  }

  function toJson(): string {
    const report: Report = { lanewise: LANEWISE_VERSION, environment: about, results };
    return `${JSON.stringify(report, null, 2)}\n`;
  }

  start();
}

const HEAD = ["work", "backend", "time per run", "speed", "of the best"];
