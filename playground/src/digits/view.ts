import type { Context } from "../main.ts";
import { chart, show } from "../ui/chart.ts";
import { controls } from "../ui/controls.ts";
import { button, card, download, h, swatch } from "../ui/dom.ts";
import { decode, encode, type Value } from "../ui/values.ts";
import { confusion } from "./confusion.ts";
import digitsUrl from "./digits.bin?url";
import { NETWORK, PACE, RATES, settingsOf } from "./fields.ts";
import { pad } from "./pad.ts";
import { lastStepOf, NETS, type Net, type Reply, type Request } from "./protocol.ts";
import DigitsWorker from "./worker.ts?worker";

/** No file of this page is larger; others are refused before they are read. */
const LARGEST_FILE = 16 * 2 ** 20;

/** What is shown of a network. */
interface Place {
  readonly net: Net;
  readonly name: string;
  readonly answer: HTMLElement;
  readonly meters: readonly HTMLMeterElement[];
  readonly standing: HTMLElement;
  readonly confusion: ReturnType<typeof confusion>;
  readonly losses: (number | null)[];
  readonly accuracies: number[];
}

export default function digits(host: HTMLElement, { parameters, remember, signal }: Context): void {
  const values = decode([...NETWORK, ...PACE], parameters);
  const steps: number[] = [];
  let running = false;
  let finished = false;

  const worker = new DigitsWorker();
  const send = (request: Request): void => worker.postMessage(request);
  signal.addEventListener("abort", () => worker.terminate());

  const places = NETS.map(
    ({ net, name, color }): Place => ({
      net,
      name,
      answer: h("b", { id: `guess-${net}` }, "…"),
      meters: Array.from({ length: 10 }, (_, digit) =>
        h("meter", { class: color, min: 0, max: 1, "aria-label": `${name}: probability of ${digit}` }),
      ),
      standing: h("span", { id: `standing-${net}` }),
      confusion: confusion(name),
      losses: [],
      accuracies: [],
    }),
  );

  const lossHost = h("div", { class: "plot short" });
  const accuracyHost = h("div", { class: "plot short" });
  const run = button("Pause", () => (finished ? start() : send({ type: "run", running: !running })), {
    class: "primary",
    disabled: true,
  });
  const status = h("p", { class: "note", id: "progress" }, "Loading 10,000 digits …");
  const backend = h("p", { class: "note", id: "worker-backend" });
  const error = h("p", { class: "error note", role: "alert" });
  const testNote = h("span", {}, "1,000");
  const caption = h("figcaption", {}, "A digit the networks are not trained on.");
  const drawing = pad((pixels) => {
    caption.textContent = "Your drawing.";
    send({ type: "digit", pixels });
  });

  const networkForm = controls(NETWORK, values, (key) => {
    if (key === "optimizer") {
      values["learningRate"] = RATES[`${values["optimizer"]}`];
      networkForm.refresh();
    }
    start();
  });
  const paceForm = controls(PACE, values, () => {
    save();
    send({ type: "pace", pace: Number(values["pace"]) });
  });
  paceForm.element.classList.add("rows");
  const upload = h("input", { type: "file", accept: ".safetensors", class: "hidden-input", id: "checkpoint" });

  host.append(
    h("h1", {}, "Two networks learn to read"),
    h("p", { class: "lead" }, "Draw a digit and watch them change their minds. Both learn from the same 8,000 digits."),
    h(
      "div",
      { class: "learn" },
      h(
        "section",
        { class: "card drawing" },
        h(
          "figure",
          {},
          drawing.element,
          caption,
          h(
            "div",
            { class: "bar" },
            button("Clear", () => drawing.clear()),
            button("Another digit", () => send({ type: "sample" })),
          ),
        ),
        h(
          "table",
          { class: "guess" },
          h(
            "thead",
            {},
            h("tr", {}, h("td"), ...places.map(({ name, answer }) => h("th", { scope: "col" }, `${name}: `, answer))),
          ),
          h(
            "tbody",
            {},
            ...Array.from({ length: 10 }, (_, digit) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, `${digit}`),
                ...places.map(({ meters }) => h("td", {}, meters[digit]!)),
              ),
            ),
          ),
        ),
      ),
      h(
        "section",
        { class: "curves" },
        h("div", { class: "bar" }, run, button("Restart", start), paceForm.element, status),
        h(
          "figure",
          {},
          h(
            "figcaption",
            {},
            h("b", {}, "Accuracy"),
            " — share of correct answers on ",
            testNote,
            " test digits.",
            h(
              "span",
              { class: "key" },
              ...NETS.map(({ color }, i) => h("span", {}, swatch(color), places[i]!.standing)),
            ),
          ),
          accuracyHost,
        ),
        h("figure", {}, h("figcaption", {}, h("b", {}, "Loss"), " — error on the training digits."), lossHost),
      ),
      h(
        "section",
        { class: "card mistakes" },
        h("h2", {}, "What they confuse"),
        h("p", { class: "note" }, "Test digits by row, what the networks read by column."),
        h("div", { class: "pair" }, ...places.map((place) => place.confusion.element)),
      ),
      h(
        "div",
        { class: "stack" },
        card("Networks and training", networkForm.element),
        card(
          "Checkpoint",
          h("p", { class: "note" }, "A file with all weights and the optimizers' state. Load it to resume training."),
          h(
            "div",
            { class: "bar" },
            button("Save checkpoint", () => send({ type: "save" }), { id: "save" }),
            h("label", { class: "file" }, "Load checkpoint", upload),
          ),
          error,
          backend,
        ),
      ),
    ),
  );

  const last = () => [0, lastStepOf(settingsOf(values))] as const;
  const series = NETS.map(({ name, color }) => ({ name, color: `--${color}` }));
  const accuracyChart = chart(accuracyHost, {
    label: "Accuracy of each network by training step",
    x: { label: "step", range: last },
    y: { label: "accuracy", range: () => [0, 1] },
    series,
    signal,
  });
  const lossChart = chart(lossHost, {
    label: "Loss of each network by training step",
    x: { label: "step", range: last },
    y: {
      label: "loss",
      log: 10,
      range: () => {
        const least = Math.min(0.1, ...places.flatMap(({ losses }) => losses.map((loss) => loss || 1)));
        return [10 ** Math.floor(Math.log10(least)), 10];
      },
    },
    series,
    signal,
  });

  function save(): void {
    remember(encode([...NETWORK, ...PACE], values));
  }

  function clearHistory(): void {
    steps.length = 0;
    for (const { losses, accuracies } of places) losses.length = accuracies.length = 0;
  }

  function start(): void {
    clearHistory();
    save();
    error.textContent = "";
    send({ type: "start", settings: settingsOf(values) });
  }

  upload.addEventListener("change", async () => {
    const file = upload.files?.[0];
    upload.value = "";
    if (file === undefined) return;
    if (file.size > LARGEST_FILE) {
      error.textContent = `${file.name} has ${file.size.toLocaleString("en")} bytes; expected at most ${LARGEST_FILE.toLocaleString("en")}`;
      return;
    }
    send({ type: "load", bytes: new Uint8Array(await file.arrayBuffer()) });
  });

  worker.addEventListener("error", ({ message }) => {
    error.textContent = message;
  });
  worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => {
    switch (data.type) {
      case "opened":
        backend.textContent = `The worker computes with ${data.backend === "wasm" ? "WebAssembly" : "JavaScript"} (${data.variant}): ${data.reason}.`;
        testNote.textContent = data.test.toLocaleString("en");
        run.disabled = false;
        send({ type: "pace", pace: Number(values["pace"]) });
        send({ type: "sample" });
        start();
        break;
      case "progress":
        showProgress(data);
        break;
      case "running":
        ({ running, finished } = data);
        run.textContent = running ? "Pause" : finished ? "Again" : "Resume";
        status.dataset["state"] = running ? "running" : finished ? "done" : "paused";
        break;
      case "guess":
        for (const place of places) showGuess(place, data.probabilities[place.net]);
        break;
      case "sample":
        drawing.show(data.pixels);
        caption.textContent = `A ${data.digit} the networks are not trained on.`;
        send({ type: "digit", pixels: data.pixels });
        break;
      case "saved":
        download(`digits-step-${data.step}.safetensors`, data.bytes, "application/octet-stream");
        break;
      case "loaded": {
        const { hidden, batchSize, ...rest } = data.settings;
        const loaded: Record<string, Value> = { ...rest, hidden: `${hidden}`, batchSize: `${batchSize}` };
        Object.assign(values, loaded);
        networkForm.refresh();
        clearHistory();
        save();
        error.textContent = "";
        break;
      }
      case "error":
        error.textContent = data.message;
    }
  });

  function showProgress({ step, standings, stepsPerSecond }: Extract<Reply, { type: "progress" }>): void {
    steps.push(step);
    for (const { net, name, standing, losses, accuracies, confusion } of places) {
      const { loss, accuracy, confusion: counts, weights } = standings[net];
      losses.push(Number.isFinite(loss) ? loss : null);
      accuracies.push(accuracy);
      standing.textContent = `${name} ${(100 * accuracy).toFixed(1)} % (${weights.toLocaleString("en")} weights)`;
      standing.dataset["accuracy"] = `${accuracy}`;
      confusion.show(counts);
    }
    show(accuracyChart, [steps, ...places.map(({ accuracies }) => accuracies)]);
    show(lossChart, [steps, ...places.map(({ losses }) => losses)]);
    const rate = stepsPerSecond > 0 ? `, ${Math.round(stepsPerSecond).toLocaleString("en")} per second` : "";
    status.textContent = `Step ${step.toLocaleString("en")}${rate}`;
    status.dataset["step"] = `${step}`;
  }

  function showGuess({ answer, meters }: Place, probabilities: readonly number[]): void {
    answer.textContent = `${probabilities.indexOf(Math.max(...probabilities))}`;
    meters.forEach((meter, digit) => {
      meter.value = probabilities[digit] || 0;
    });
  }

  send({ type: "open", data: new URL(digitsUrl, document.baseURI).href });
}
