import { type BackendName, type Kind, type Report, type Result, SIZES, UNITS } from "../../../measure/compare.ts";
import { environment } from "../../../measure/environment.ts";
import { formatNumber } from "../../../measure/format.ts";
import type { Context } from "../main.ts";
import { chart, show } from "../ui/chart.ts";
import { controls } from "../ui/controls.ts";
import { button, card, download, h, swatch } from "../ui/dom.ts";
import { decode, encode, type Field } from "../ui/values.ts";
import type { Reply, Request } from "./worker.ts";
import SpeedWorker from "./worker.ts?worker";

declare const LANEWISE_VERSION: string;

const THREADS = Math.min(4, navigator.hardwareConcurrency);
const ISOLATED = crossOriginIsolated && typeof SharedArrayBuffer === "function";

const BACKENDS: Readonly<Record<BackendName, { name: string; color: string }>> = {
  js: { name: "JavaScript", color: "orange" },
  wasm: { name: "Wasm", color: "blue" },
  threads: { name: `${THREADS} threads`, color: "green" },
};
const NAMES = Object.keys(BACKENDS) as BackendName[];

const KINDS: Readonly<Record<Kind, { title: string; size: string; unit: string; about: string }>> = {
  product: {
    title: "Matrix products",
    size: "n of n × n by n × n",
    unit: "GFLOP/s",
    about: " — billions of additions and multiplications per second, by size.",
  },
  step: {
    title: "RMSProp steps",
    size: "parameters",
    unit: "G parameters/s",
    about: " — billions of parameters per second, by number of parameters.",
  },
};
const KIND_NAMES = Object.keys(KINDS) as Kind[];
const JOBS = SIZES.step.length + SIZES.product.length;

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
  const headline = h("h1");
  const summary = h("p", { class: "lead", id: "summary" });
  const status = h("p", { role: "status", class: "note" });
  const run = button("Stop", () => (worker ? stop("Stopped.", "stopped") : start()), { class: "primary" });
  const bodies = KIND_NAMES.map(() => h("tbody"));
  const head = h("tr");
  const plotHosts = Object.fromEntries(KIND_NAMES.map((kind) => [kind, h("div", { class: "plot short" })]));

  host.append(
    headline,
    summary,
    h(
      "div",
      { class: "key" },
      ...NAMES.map((name) => h("span", { "data-backend": name }, swatch(BACKENDS[name].color), BACKENDS[name].name)),
    ),
    h(
      "div",
      { class: "halves" },
      ...KIND_NAMES.map((kind) =>
        h("figure", {}, h("figcaption", {}, h("b", {}, KINDS[kind].title), KINDS[kind].about), plotHosts[kind]!),
      ),
    ),
    h("div", { class: "bar" }, run, status),
    h(
      "div",
      { class: "split" },
      card(
        "Results",
        h("table", { id: "results" }, h("caption", {}, describeEnvironment()), h("thead", {}, head), ...bodies),
        h(
          "div",
          { class: "bar" },
          button("Copy as a table", () => void copy()),
          button("Save as JSON", () => download("lanewise-bench.json", toJson(), "application/json")),
        ),
      ),
      card(
        "What is measured",
        h(
          "p",
          { class: "note" },
          "The same work by the same package: as WebAssembly with SIMD, four numbers per instruction, and as plain " +
            "JavaScript. The results are bit-identical, which is checked before timing. Speeds are medians.",
        ),
        form.element,
      ),
    ),
  );

  const plots = KIND_NAMES.map((kind) => {
    const plot = chart(plotHosts[kind]!, {
      label: `${KINDS[kind].title}: speed of each backend by size; the table below has the numbers`,
      x: { label: KINDS[kind].size, log: 2, range: () => (kind === "step" ? [512, 2 ** 21] : [8, 512]) },
      y: { label: KINDS[kind].unit, range: () => [0, ceiling(kind)] },
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
    results = [];
    draw();
    run.textContent = "Stop";
    tell("A quick look first …", "running");
    worker = new SpeedWorker();
    worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => {
      if ("result" in data) add(data.result);
      else if ("error" in data) stop(data.error, "failed");
      else stop("Done. Other programs disturb the figures: run it again to see how much.", "done");
    });
    worker.addEventListener("error", ({ message }) => stop(message, "failed"));
    worker.postMessage({ threads: threads(), samples: Number(values["samples"]) } satisfies Request);
  }

  /** What is measured thoroughly takes the place of what the quick look had. */
  function add(result: Result): void {
    const isSame = ({ kind, size, backend }: Result): boolean =>
      kind === result.kind && size === result.size && backend === result.backend;
    const index = results.findIndex(isSame);
    if (index < 0) results.push(result);
    else {
      results[index] = result;
      tell("Measuring thoroughly …", "running");
    }
    draw();
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

  /** Backends that run here: JavaScript alone where Wasm is refused. */
  function backends(): BackendName[] {
    return NAMES.filter((name) => name !== "threads" || threads() > 1).filter(
      (name) => results.length < NAMES.length || results.some(({ backend }) => backend === name),
    );
  }

  /** How many times as fast as JavaScript Wasm is, at each size. */
  function ratios(kind: Kind): number[] {
    return sizesOf(kind).flatMap((size) => {
      const [wasm, js] = [rateOf(kind, size, "wasm"), rateOf(kind, size, "js")];
      return wasm === null || js === null ? [] : [wasm / js];
    });
  }

  function draw(): void {
    showHeadline();
    for (const name of NAMES) {
      host.querySelector<HTMLElement>(`[data-backend="${name}"]`)!.hidden = !backends().includes(name);
    }
    for (const { kind, plot } of plots) {
      const sizes = sizesOf(kind);
      plotHosts[kind]!.classList.toggle("waiting", sizes.length === 0);
      show(plot, [sizes, ...NAMES.map((backend) => sizes.map((size) => rateOf(kind, size, backend)))]);
    }
    const [first, ...titles] = titlesOf();
    head.replaceChildren(h("td", {}, first!), ...titles.map((title) => h("th", { scope: "col" }, title)));
    KIND_NAMES.forEach((kind, i) => {
      const title = `${KINDS[kind].title}, ${KINDS[kind].unit}`;
      bodies[i]!.replaceChildren(
        h("tr", {}, h("th", { scope: "rowgroup", colspan: titles.length + 1 }, title)),
        ...SIZES[kind].map((size) => {
          const [what, ...cells] = cellsOf(kind, size);
          return h(
            "tr",
            { class: "result" },
            h("th", { scope: "row" }, what!),
            ...cells.map((cell) => h("td", {}, cell)),
          );
        }),
      );
    });
  }

  function showHeadline(): void {
    const [steps, products] = [ratios("step"), ratios("product")];
    const all = [...steps, ...products];
    if (all.length > 0) {
      headline.textContent = `Wasm is ${times(median(all))} JavaScript here`;
      summary.textContent =
        `The median of ${all.length} sizes in this browser, measured just now. ` +
        `RMSProp steps: ${span(steps)}.${products.length > 0 ? ` Matrix products: ${span(products)}.` : ""}`;
    } else if (results.length > JOBS) {
      headline.textContent = "Wasm does not run here";
      summary.textContent = "This page or browser refuses WebAssembly; the JavaScript backend gives the same bits.";
    } else {
      headline.textContent = "How fast is Wasm here?";
      summary.textContent = "Measuring it against JavaScript, in this browser …";
    }
  }

  function titlesOf(): string[] {
    const names = backends().map((name) => BACKENDS[name].name);
    return ["", ...names, "Wasm : JS"];
  }

  /** The work, the speed of each backend, and the ratio. */
  function cellsOf(kind: Kind, size: number): string[] {
    const rates = backends().map((backend) => rateOf(kind, size, backend));
    const [wasm, js] = [rateOf(kind, size, "wasm"), rateOf(kind, size, "js")];
    return [
      kind === "step" ? size.toLocaleString("en") : `n = ${size}`,
      ...rates.map((rate) => (rate === null ? "…" : formatNumber(rate))),
      wasm === null || js === null ? "…" : times(wasm / js),
    ];
  }

  function describeEnvironment(): string {
    const { runtime, engine, cpu, platform, date } = about;
    return [`Lanewise ${LANEWISE_VERSION}`, runtime, engine, cpu, platform, date].filter(Boolean).join(", ");
  }

  async function copy(): Promise<void> {
    const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
    const titles = titlesOf();
    const body = KIND_NAMES.flatMap((kind) =>
      SIZES[kind].map((size) => {
        const [what, ...cells] = cellsOf(kind, size);
        return [`${KINDS[kind].title}, ${KINDS[kind].unit}: ${what}`, ...cells];
      }),
    );
    const lines = [titles, titles.map(() => "---"), ...body].map(line);
    try {
      await navigator.clipboard.writeText(`${describeEnvironment()}\n\n${lines.join("\n")}\n`);
      status.textContent = "Copied.";
    } catch {
      status.textContent = "This browser does not let the page copy; select the table instead.";
    }
  }

  function toJson(): string {
    const report: Report = { lanewise: LANEWISE_VERSION, environment: about, units: UNITS, results };
    return `${JSON.stringify(report, null, 2)}\n`;
  }

  start();
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function times(ratio: number): string {
  return `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)}×`;
}

function span(ratios: readonly number[]): string {
  const [low, high] = [times(Math.min(...ratios)), times(Math.max(...ratios))];
  return low === high ? low : `${low.slice(0, -1)} to ${high}`;
}
