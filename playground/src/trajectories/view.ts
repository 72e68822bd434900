import type { Context } from "../main.ts";
import { type Column, chart, show } from "../ui/chart.ts";
import { controls, format } from "../ui/controls.ts";
import { button, card, h, swatch } from "../ui/dom.ts";
import { decode, encode, type Field, initialValues, type Values } from "../ui/values.ts";
import {
  DIALECT_RACERS,
  FORMULA_FIELDS,
  MAIN_FIELDS,
  MODE,
  MORE_FIELDS,
  RACERS,
  RMSPROP_FIELDS,
  raceFields,
  rmspropOptions,
  SAMPLES,
  SURFACE_FIELDS,
} from "./fields.ts";
import { LESSONS } from "./guide.ts";
import { defaultDecay, type Entrant, groupAlike, lackingOptions, race, type Trace } from "./race.ts";
import { type Path, surfacePlot } from "./surface-plot.ts";
import { PRESETS, type Surface } from "./surfaces.ts";

/** How long the whole race takes to be played. */
const PLAY_MILLISECONDS = 5000;

/** Of a formula of one's own. */
const CUSTOM = { steps: 60, rates: { rmsprop: 0.1, adam: 0.1, adagrad: 0.5, sgd: 0.05 } };

/** Everybody who may race. */
const EVERYBODY = [...RACERS, ...DIALECT_RACERS];

export default function trajectories(host: HTMLElement, { core, parameters, remember, signal }: Context): void {
  const values: Values = {};
  let fields = raceFields(CUSTOM);
  const allFields = (): Field[] => [
    MODE,
    ...SURFACE_FIELDS,
    ...FORMULA_FIELDS,
    ...fields.race,
    ...fields.racers,
    ...RMSPROP_FIELDS,
  ];
  const read = (settings: URLSearchParams): void => {
    const { surface } = decode(SURFACE_FIELDS, settings);
    fields = raceFields(PRESETS[`${surface}`] ?? CUSTOM);
    Object.assign(values, decode(allFields(), settings));
  };
  read(parameters);

  /** How many steps are shown. */
  let at = readNumber(parameters.get("at"));
  const named = readNumber(parameters.get("guide"));
  let lesson = named !== undefined && named < LESSONS.length ? named : lessonOf(values);
  let playing = false;
  let surface: Surface = PRESETS["valley"]!;
  let traces: readonly Trace[] = [];
  let groups: readonly (readonly Trace[])[] = [];
  /** The least value that is known: losses are drawn above it. */
  let least = 0;
  let lacking: ReadonlyMap<string, string> = new Map();

  // What there is to see.

  const surfaceHost = h("div", { class: "plot surface" });
  const lossHost = h("div", { class: "plot" });
  const rateHosts = [h("div", { class: "plot" }), h("div", { class: "plot" })];
  const formula = h("p", { class: "note" });
  const scrubber = h("input", { type: "range", min: 0, "aria-label": "Step shown" });
  const position = h("output", { id: "position" });
  const play = button("Play", () => setPlaying(!playing), { class: "primary" });
  const rows = h("tbody");
  const title = h("h1");
  const lessonText = h("p", { "aria-live": "polite" });
  const lessonCount = h("span", { class: "note" });
  const back = button("←", () => teach(lesson - 1), { "aria-label": "Back" });
  const next = button("→", () => teach(lesson + 1), { "aria-label": "Next" });

  const surfaceForm = controls(SURFACE_FIELDS, values, changeSurface);
  const formulaForm = controls(FORMULA_FIELDS, values, () => void loadSurface());
  const raceForm = controls(fields.race, values, rerun);
  const racersForm = controls(fields.racers, values, rerun);
  const mainForm = controls(MAIN_FIELDS, values, changeOption);
  const moreForm = controls(MORE_FIELDS, values, rerun);
  const forms = [surfaceForm, formulaForm, raceForm, racersForm, mainForm, moreForm];
  const modes = MODE.choices!.map(([mode, label]) => button(label, () => changeMode(mode), { "data-mode": mode }));
  const rateNote = h("p", { class: "note" });
  const groupList = h("ul", { class: "groups" });
  const optionsError = h("p", { class: "error note", role: "alert" });

  for (const { id, color } of RACERS) {
    racersForm.element.querySelector(`[for="field-${id}"]`)!.prepend(swatch(color));
  }
  racersForm.element.classList.add("racers");
  racersForm.element.append(groupList);
  for (const form of [surfaceForm, formulaForm, raceForm, mainForm]) form.element.classList.add("rows");

  host.append(
    h("div", { class: "guide" }, title, lessonText, h("div", { class: "bar" }, back, lessonCount, next)),
    h(
      "div",
      { class: "split race" },
      h(
        "div",
        {},
        h("figure", {}, surfaceHost),
        h(
          "div",
          { class: "bar" },
          play,
          button("Step", () => showStep(Math.min((at ?? 0) + 1, steps()))),
          button("Reset", () => showStep(0)),
          scrubber,
          position,
        ),
      ),
      h(
        "div",
        { class: "card panel" },
        h("div", { class: "segments", role: "group", "aria-label": "Who races" }, ...modes),
        rateNote,
        racersForm.element,
        surfaceForm.element,
        formulaForm.element,
        mainForm.element,
        optionsError,
        formula,
        raceForm.element,
      ),
    ),
    h(
      "div",
      { class: "halves" },
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
          " — what each axis's slope is multiplied by (ε left out).",
        ),
        h("div", { class: "pair" }, ...rateHosts),
      ),
    ),
    h(
      "div",
      { class: "halves" },
      h("details", { class: "card" }, h("summary", {}, "All other options of RMSProp"), moreForm.element),
      card(
        "Where they are",
        h(
          "div",
          { class: "scroll", tabindex: 0, role: "region", "aria-label": "Where they are" },
          h("table", { id: "positions" }, h("thead", {}, headRow("", "x₁", "x₂", "f")), rows),
        ),
      ),
    ),
    h(
      "div",
      { class: "bar" },
      button("Reset all settings", () => teach(0)),
    ),
  );

  const steps = (): number => values["steps"] as number;
  const start = () => [values["x1"] ?? surface.start[0], values["x2"] ?? surface.start[1]] as [number, number];
  const isDialects = (): boolean => values["race"] === "dialects";
  const columnRange = () => [0, steps()] as const;
  const series = EVERYBODY.map(({ name, color }) => ({ name, color: `--${color}` }));
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

  /** Goes to a step of the guide, which brings its settings. */
  function teach(index: number): void {
    lesson = index;
    read(new URLSearchParams(LESSONS[lesson]!.settings));
    for (const form of forms) form.refresh();
    at = undefined;
    void loadSurface();
  }

  function showLesson(): void {
    const { name, about } = PRESETS[`${values["surface"]}`] ?? { name: "Your own formula", about: "Write one below." };
    title.textContent = LESSONS[lesson]?.title ?? name;
    lessonText.textContent = LESSONS[lesson]?.text ?? about;
    lessonCount.textContent = `${lesson + 1} of ${LESSONS.length}`;
    lessonCount.hidden = lesson < 0;
    back.disabled = lesson <= 0;
    next.disabled = lesson === LESSONS.length - 1;
  }

  function changeMode(mode: string): void {
    values["race"] = mode;
    lesson = lessonOf(values);
    at = undefined;
    void loadSurface();
  }

  function changeSurface(): void {
    const preset = PRESETS[`${values["surface"]}`];
    fields = raceFields(preset ?? CUSTOM);
    const fresh = initialValues([...fields.race, ...fields.racers]);
    for (const key of ["x1", "x2", "steps", ...RACERS.map(({ id }) => `${id}.rate`)]) values[key] = fresh[key];
    raceForm.refresh();
    racersForm.refresh();
    lesson = lessonOf(values);
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

  async function loadSurface(): Promise<void> {
    const preset = PRESETS[`${values["surface"]}`];
    showLesson();
    showMode();
    formulaForm.element.hidden = preset !== undefined;
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
    compute();
    if (begins) setPlaying(true);
  }

  /** After a change of settings: shows where it leads, unless the user is in the middle of the race. */
  function rerun(): void {
    if (playing || at === 0) at = undefined;
    setPlaying(false);
    compute();
  }

  /** Runs the whole race; it takes less than a frame. */
  function compute(): void {
    showMode();
    traces = entrants().map((entrant) => race(core, surface, start(), steps(), `${values["schedule"]}`, entrant));
    const known = [
      ...surface.minima.map(([x, y]) => surface.f(x, y)),
      ...(surface.minima.length ? [] : lowest(traces)),
    ];
    least = Math.min(...known);
    optionsError.textContent = traces.find(({ error }) => error !== undefined)?.error ?? "";
    scrubber.max = `${steps()}`;
    groupTraces();
    draw();
  }

  function entrants(): Entrant[] {
    const rateOf = (id: string): number => values[`${id}.rate`] as number;
    if (!isDialects()) {
      return RACERS.filter(({ id }) => values[id] === true).map(({ id }) => ({
        id,
        racer: id,
        learningRate: rateOf(id),
        options: id === "rmsprop" ? rmspropOptions(values, lacking) : {},
      }));
    }
    return DIALECT_RACERS.map(({ id }) => ({
      id,
      racer: "rmsprop",
      learningRate: rateOf("rmsprop"),
      options: {
        ...rmspropOptions({ ...values, dialect: id }, lackingOptions(core, id, SAMPLES)),
        decay: defaultDecay(core, id),
      },
    }));
  }

  /** What can be set: a race of dialects has each dialect's own ρ, and options that not all of them need to have. */
  function showMode(): void {
    const dialects = isDialects();
    lacking = lackingOptions(core, `${values["dialect"]}`, SAMPLES);
    for (const mode of modes) mode.setAttribute("aria-pressed", `${mode.dataset["mode"] === values["race"]}`);
    racersForm.element.classList.toggle("single", dialects);
    rateNote.textContent = dialects ? "Learning rate of all" : "Learning rate of each";
    for (const { key } of RMSPROP_FIELDS) {
      const form = MAIN_FIELDS.some((field) => field.key === key) ? mainForm : moreForm;
      const own = key === "dialect" || key === "decay" ? "each dialect has its own" : undefined;
      form.disable(key, dialects ? own : lacking.get(key));
    }
    const clips = moreForm.element.querySelectorAll<HTMLOptionElement>("#field-clip option");
    for (const option of clips) option.disabled = !dialects && lacking.has(option.value);
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
    position.value = `${step} / ${steps()}`;
    plot.draw(surface, start(), values["x1"] === undefined ? "drag me" : "", pathsUntil(step));
    const column = (id: string, pick: (trace: Trace) => Column): Column => {
      const trace = traces.find((known) => known.id === id);
      const all = trace === undefined ? [] : pick(trace);
      return Array.from({ length: steps() + 1 }, (_, i) => (i <= step ? (all[i] ?? null) : null));
    };
    const count = Array.from({ length: steps() + 1 }, (_, i) => i);
    const columns = (pick: (trace: Trace) => Column): Column[] => [
      count,
      ...EVERYBODY.map(({ id }) => column(id, pick)),
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

  /** Traces that look the same are one path. */
  function groupTraces(): void {
    const running = traces.filter(({ points }) => points.length > 0);
    groups = isDialects() ? groupAlike(running, surface) : running.map((trace) => [trace]);
    groupList.replaceChildren(
      ...groups.map((group) => {
        const names = group.map(({ id }) => nameOf(id).name).join(", ");
        return h("li", {}, swatch(nameOf(group[0]!.id).color), names);
      }),
    );
  }

  function pathsUntil(step: number): Path[] {
    return groups.toReversed().flatMap((group): Path[] => {
      const { id, points, averages } = group[0]!;
      const color = `--${nameOf(id).color}`;
      const label = `${nameOf(id).name.replace(/ \(.*/, "")}${group.length > 1 ? ` + ${group.length - 1}` : ""}`;
      const path = { color, points: points.slice(0, step + 1), label };
      if (averages.length === 0) return [path];
      return [path, { color, points: averages.slice(0, step + 1), dashed: true }];
    });
  }

  /** A race that is still on its way is not worth an address. */
  function save(): void {
    if (playing) return;
    const query = encode(allFields(), values);
    if (lesson !== lessonOf(values)) query.set("guide", `${lesson}`);
    if (at !== undefined) query.set("at", `${Math.min(at, steps())}`);
    remember(query);
  }

  function lossColumn({ losses }: Trace): Column {
    return losses.map((loss) => (Number.isFinite(loss) && loss > least ? loss - least : null));
  }

  void loadSurface();
}

/** The step of the guide that settings belong to; −1 for none. */
function lessonOf({ race, surface }: Values): number {
  if (race === "dialects") return LESSONS.length - 1;
  return surface === "valley" ? 0 : -1;
}

function nameOf(id: string): (typeof EVERYBODY)[number] {
  return EVERYBODY.find((known) => known.id === id)!;
}

function readNumber(text: string | null): number | undefined {
  const number = Number(text);
  return text !== null && Number.isInteger(number) && number >= 0 ? number : undefined;
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

function positionRow({ id, points, losses, error }: Trace, step: number): HTMLElement {
  const { name, color } = nameOf(id);
  const head = h("th", { scope: "row" }, swatch(color), name);
  const point = points[step];
  if (point === undefined) return h("tr", {}, head, h("td", { colspan: 3 }, error === undefined ? "–" : "stopped"));
  const cells = [...point, losses[step]!].map((value) => h("td", { "data-value": value }, format(value)));
  return h("tr", { "data-racer": id }, head, ...cells);
}
