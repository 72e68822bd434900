import type { Context } from "../main.ts";
import { type Column, chart, show } from "../ui/chart.ts";
import { controls, decode, encode, type Field, format, initialValues, type Values } from "../ui/controls.ts";
import { button, card, h } from "../ui/dom.ts";
import {
  FORMULA_FIELDS,
  MAIN_FIELDS,
  MORE_FIELDS,
  RACERS,
  RMSPROP_FIELDS,
  raceFields,
  rmspropOptions,
  SAMPLES,
  SURFACE_FIELDS,
} from "./fields.ts";
import { defaultDecay, type Entrant, lackingOptions, race, type Trace } from "./race.ts";
import { type Path, surfacePlot } from "./surface-plot.ts";
import { PRESETS, type Surface } from "./surfaces.ts";

/** How long the whole race takes to be played. */
const PLAY_MILLISECONDS = 5000;

/** Of a formula of one's own. */
const CUSTOM = { steps: 60, rates: { rmsprop: 0.1, adam: 0.1, adagrad: 0.5, sgd: 0.05 } };

export default function trajectories(host: HTMLElement, { core, parameters, remember, signal }: Context): void {
  const values: Values = decode(SURFACE_FIELDS, parameters);
  let fields = raceFields(PRESETS[`${values["surface"]}`] ?? CUSTOM);
  const allFields = (): Field[] => [
    ...SURFACE_FIELDS,
    ...FORMULA_FIELDS,
    ...fields.race,
    ...fields.racers,
    ...RMSPROP_FIELDS,
  ];
  Object.assign(values, decode(allFields(), parameters));

  /** How many steps are shown. */
  let at = readStep(parameters.get("at"));
  let playing = false;
  let surface: Surface = PRESETS["valley"]!;
  let traces: readonly Trace[] = [];
  /** The least value that is known: losses are drawn above it. */
  let least = 0;
  let lacking = new Map<string, string>();

  // What there is to see.

  const surfaceHost = h("div", { class: "plot surface" });
  const lossHost = h("div", { class: "plot" });
  const rateHosts = [h("div", { class: "plot" }), h("div", { class: "plot" })];
  const formula = h("figcaption", {}, "f(x₁, x₂)");
  const scrubber = h("input", { type: "range", min: 0, "aria-label": "Step shown" });
  const position = h("output", { id: "position" });
  const play = button("Play", () => setPlaying(!playing), { class: "primary" });
  const rows = h("tbody");

  const surfaceForm = controls(SURFACE_FIELDS, values, changeSurface);
  const formulaForm = controls(FORMULA_FIELDS, values, () => void loadSurface());
  const raceForm = controls(fields.race, values, rerun);
  const racersForm = controls(fields.racers, values, rerun);
  const mainForm = controls(MAIN_FIELDS, values, changeOption);
  const moreForm = controls(MORE_FIELDS, values, changeOption);
  const about = h("p", { class: "note" });
  const optionsError = h("p", { class: "error note", role: "alert" });

  for (const { racer, color } of RACERS) {
    racersForm.element
      .querySelector(`[for="field-${racer}"]`)!
      .prepend(h("span", { class: `swatch ${color}`, "aria-hidden": "true" }));
  }

  host.append(
    h("h1", {}, "Four optimizers, one slope"),
    h(
      "p",
      { class: "lead" },
      "Each looks for the lowest point and sees only the slope at its position. RMSProp divides each direction " +
        "by its recent steepness, so that flat directions advance too. Click the map to start elsewhere.",
    ),
    h(
      "div",
      { class: "split" },
      h(
        "div",
        {},
        h("figure", {}, surfaceHost, formula),
        h(
          "div",
          { class: "bar" },
          play,
          button("Step", () => showStep(Math.min((at ?? 0) + 1, steps()))),
          button("Reset", () => showStep(0)),
          scrubber,
          position,
        ),
        h(
          "div",
          { class: "scroll", tabindex: 0, role: "region", "aria-label": "Where they are" },
          h("table", { id: "positions" }, h("thead", {}, headRow("", "x₁", "x₂", "f")), rows),
        ),
      ),
      h(
        "div",
        { class: "stack" },
        h(
          "figure",
          {},
          h("figcaption", {}, h("b", {}, "Loss"), " — how far above the lowest known value, step by step."),
          lossHost,
        ),
        h(
          "figure",
          {},
          h(
            "figcaption",
            {},
            h("b", {}, "Effective learning rate"),
            " — the factor the slope along each axis is multiplied by: the learning rate divided by the recent " +
              "steepness (ε left out).",
          ),
          h("div", { class: "pair" }, ...rateHosts),
        ),
      ),
    ),
    h(
      "div",
      { class: "cards" },
      card("Surface and race", surfaceForm.element, about, formulaForm.element, raceForm.element),
      card("Who runs", racersForm.element),
      card(
        "RMSProp",
        mainForm.element,
        h("details", {}, h("summary", {}, "All other options"), moreForm.element),
        optionsError,
      ),
    ),
    h(
      "div",
      { class: "bar" },
      button("Reset all settings", () => reset()),
    ),
  );
  surfaceForm.element.parentElement!.classList.add("stack");

  const steps = (): number => values["steps"] as number;
  const start = () => [values["x1"] ?? surface.start[0], values["x2"] ?? surface.start[1]] as [number, number];
  const columnRange = () => [0, steps()] as const;
  const series = RACERS.map(({ name, color }) => ({ name, color: `--${color}` }));
  const plot = surfacePlot(
    surfaceHost,
    "Contour map of the surface, with the path of each optimizer",
    setStart,
    signal,
  );
  const lossChart = chart(lossHost, {
    label: "Loss of each optimizer by step",
    x: { label: "step", range: columnRange },
    y: { label: "f − least f", log: 10, range: () => spanOf(traces.map(lossColumn), 1e-9) },
    series,
    signal,
  });
  const rateCharts = rateHosts.map((rateHost, axis) =>
    chart(rateHost, {
      label: `Effective learning rate of each optimizer along x${axis + 1} by step`,
      x: { label: "step", range: columnRange },
      y: {
        label: `along x${"₁₂"[axis]}`,
        log: 10,
        range: () =>
          spanOf(
            traces.flatMap(({ rates }) => rates),
            1e-6,
          ),
      },
      series,
      signal,
    }),
  );

  // What changes it.

  scrubber.addEventListener("input", () => showStep(Number(scrubber.value)));
  signal.addEventListener("abort", () => setPlaying(false));

  function changeSurface(): void {
    const preset = PRESETS[`${values["surface"]}`];
    fields = raceFields(preset ?? CUSTOM);
    const fresh = initialValues([...fields.race, ...fields.racers]);
    for (const key of ["x1", "x2", "steps", ...RACERS.map(({ racer }) => `${racer}.rate`)]) values[key] = fresh[key];
    raceForm.refresh();
    racersForm.refresh();
    at = undefined;
    void loadSurface();
  }

  function changeOption(key: string): void {
    if (key === "dialect") {
      values["decay"] = defaultDecay(core, `${values["dialect"]}`);
      mainForm.refresh();
    }
    rerun();
  }

  function setStart(x: number, y: number): void {
    const tidy = (value: number): number => Number(value.toPrecision(3));
    [values["x1"], values["x2"]] = [tidy(x), tidy(y)];
    raceForm.refresh();
    rerun();
  }

  function reset(): void {
    fields = raceFields(PRESETS["valley"]!);
    Object.assign(values, initialValues(allFields()));
    for (const form of [surfaceForm, formulaForm, raceForm, racersForm, mainForm, moreForm]) form.refresh();
    at = undefined;
    void loadSurface();
  }

  async function loadSurface(): Promise<void> {
    const preset = PRESETS[`${values["surface"]}`];
    formulaForm.element.hidden = preset !== undefined;
    about.textContent = preset?.about ?? "A surface of your own.";
    if (preset !== undefined) surface = preset;
    else {
      try {
        const { customSurface } = await import("./custom.ts");
        if (signal.aborted || `${values["surface"]}` in PRESETS) return;
        surface = customSurface(`${values["formula"]}`, values["half"] as number);
        formulaForm.fail("formula", undefined);
      } catch (error) {
        formulaForm.fail("formula", (error as Error).message);
        return;
      }
    }
    surface.start.forEach((value, axis) => {
      raceForm.element.querySelector<HTMLInputElement>(`#field-x${axis + 1}`)!.placeholder = `${value}`;
    });
    formula.textContent = `f(x₁, x₂) = ${preset?.formula ?? values["formula"]}`;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const begins = at === undefined && !still;
    if (begins) at = 0;
    rerun();
    if (begins) setPlaying(true);
  }

  /** Runs the whole race; it takes less than a frame. */
  function rerun(): void {
    lacking = lackingOptions(core, `${values["dialect"]}`, SAMPLES);
    showLacking();
    const entrants = RACERS.filter(({ racer }) => values[racer] === true).map(
      ({ racer }): Entrant => ({
        racer,
        learningRate: values[`${racer}.rate`] as number,
        options: racer === "rmsprop" ? rmspropOptions(values, lacking) : {},
      }),
    );
    traces = entrants.map((entrant) => race(core, surface, start(), steps(), `${values["schedule"]}`, entrant));
    const known = [
      ...surface.minima.map(([x, y]) => surface.f(x, y)),
      ...(surface.minima.length ? [] : lowest(traces)),
    ];
    least = Math.min(...known);
    optionsError.textContent = traces.find(({ racer }) => racer === "rmsprop")?.error ?? "";
    scrubber.max = `${steps()}`;
    draw();
  }

  function showLacking(): void {
    for (const { key } of RMSPROP_FIELDS) {
      const form = MAIN_FIELDS.some((field) => field.key === key) ? mainForm : moreForm;
      form.disable(key, lacking.get(key));
    }
    const clips = moreForm.element.querySelectorAll<HTMLOptionElement>("#field-clip option");
    for (const option of clips) option.disabled = lacking.has(option.value);
  }

  function showStep(step: number): void {
    setPlaying(false);
    at = step;
    draw();
  }

  function setPlaying(next: boolean): void {
    playing = next && !signal.aborted;
    play.textContent = playing ? "Pause" : "Play";
    if (!playing) return;
    const from = at === undefined || at >= steps() ? 0 : at;
    let begin: number | undefined;
    const frame = (time: number): void => {
      if (!playing) return;
      begin ??= time;
      at = Math.min(steps(), from + Math.floor(((time - begin) / PLAY_MILLISECONDS) * steps()));
      if (at === steps()) setPlaying(false);
      draw();
      if (playing) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  function draw(): void {
    const step = Math.min(at ?? steps(), steps());
    scrubber.value = `${step}`;
    position.value = `step ${step} of ${steps()}`;
    plot.draw(
      surface,
      start(),
      traces.toReversed().flatMap(({ racer, points, averages }): Path[] => {
        const color = `--${RACERS.find((known) => known.racer === racer)!.color}`;
        const path = { color, points: points.slice(0, step + 1) };
        if (points.length === 0) return [];
        return averages.length > 0 ? [path, { color, points: averages.slice(0, step + 1), dashed: true }] : [path];
      }),
    );
    const column = (racer: string, pick: (trace: Trace) => Column): Column => {
      const trace = traces.find((known) => known.racer === racer);
      const all = trace === undefined ? [] : pick(trace);
      return Array.from({ length: steps() + 1 }, (_, i) => (i <= step ? (all[i] ?? null) : null));
    };
    const count = Array.from({ length: steps() + 1 }, (_, i) => i);
    const columns = (pick: (trace: Trace) => Column): Column[] => [
      count,
      ...RACERS.map(({ racer }) => column(racer, pick)),
    ];
    show(lossChart, columns(lossColumn));
    rateCharts.forEach((rateChart, axis) => {
      show(
        rateChart,
        columns(({ rates }) => rates[axis]!),
      );
    });
    rows.replaceChildren(...traces.map((trace) => positionRow(trace, step)));
    save();
  }

  /** A race that is still on its way is not worth an address. */
  function save(): void {
    if (playing) return;
    const query = encode(allFields(), values);
    if (at !== undefined) query.set("at", `${Math.min(at, steps())}`);
    remember(query);
  }

  function lossColumn({ losses }: Trace): Column {
    return losses.map((loss) => (Number.isFinite(loss) && loss > least ? loss - least : null));
  }

  void loadSurface();
}

function readStep(text: string | null): number | undefined {
  const step = Number(text);
  return text !== null && Number.isInteger(step) && step >= 0 ? step : undefined;
}

function lowest(traces: readonly Trace[]): number[] {
  return traces.flatMap(({ losses }) => losses.filter(Number.isFinite));
}

/** Powers of ten around what columns hold; nothing below `floor` times the largest value, and no explosions. */
function spanOf(columns: readonly Column[], floor: number): [number, number] {
  const first = columns.map(([value]) => value ?? 0);
  const bound = Math.max(...first, ...columns.map((column) => column[1] ?? 0), 0) * 100 || Infinity;
  let [low, high] = [Infinity, 0];
  for (const value of columns.flat()) {
    if (value === null || value <= 0 || value > bound) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high === 0) return [0.1, 10];
  const decade = (value: number, round: (exponent: number) => number): number => 10 ** round(Math.log10(value));
  low = decade(Math.max(low, high * floor), Math.floor);
  return [low, Math.max(decade(high, Math.ceil), low * 10)];
}

function headRow(...titles: string[]): HTMLElement {
  return h("tr", {}, ...titles.map((title) => (title ? h("th", { scope: "col" }, title) : h("td"))));
}

function positionRow({ racer, points, losses, error }: Trace, step: number): HTMLElement {
  const { name, color } = RACERS.find((known) => known.racer === racer)!;
  const head = h("th", { scope: "row" }, h("span", { class: `swatch ${color}`, "aria-hidden": "true" }), name);
  const point = points[step];
  if (point === undefined) return h("tr", {}, head, h("td", { colspan: 3 }, error === undefined ? "–" : "stopped"));
  const cells = [...point, losses[step]!].map((value) => h("td", { "data-value": value }, format(value)));
  return h("tr", { "data-racer": racer }, head, ...cells);
}
