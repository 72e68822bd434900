import type { Context } from "../main.ts";
import { chart, show } from "../ui/chart.ts";
import { controls, decode, encode, type Field, type Value } from "../ui/controls.ts";
import { button, card, download, h } from "../ui/dom.ts";
import { pad } from "./pad.ts";
import { EPOCHS, type Reply, type Request, type Settings } from "./protocol.ts";

const RATES: Readonly<Record<string, number>> = { rmsprop: 0.001, adam: 0.001, adagrad: 0.01, sgd: 0.1 };

const NETWORK: readonly Field[] = [
  {
    key: "optimizer",
    label: "Optimizer",
    kind: "select",
    initial: "rmsprop",
    choices: [
      ["rmsprop", "RMSProp"],
      ["adam", "Adam"],
      ["adagrad", "AdaGrad"],
      ["sgd", "SGD"],
    ],
  },
  { key: "learningRate", label: "Learning rate", kind: "slider", min: 1e-5, max: 1, scale: "log", initial: 0.001 },
  {
    key: "hidden",
    label: "Hidden neurons",
    kind: "select",
    initial: "128",
    choices: [
      ["16", "16"],
      ["64", "64"],
      ["128", "128"],
      ["256", "256"],
    ],
  },
  {
    key: "batchSize",
    label: "Batch size",
    kind: "select",
    initial: "64",
    choices: [
      ["16", "16"],
      ["64", "64"],
      ["256", "256"],
    ],
  },
  { key: "seed", label: "Random seed", kind: "number", min: 0, max: 4294967295, whole: true, initial: 1 },
];

const PACE: readonly Field[] = [
  {
    key: "pace",
    label: "Pace",
    kind: "select",
    initial: "60",
    choices: [
      ["10", "10 steps per second, to watch"],
      ["60", "60 steps per second"],
      ["Infinity", "as fast as possible"],
    ],
  },
];

export default function digits(host: HTMLElement, { parameters, remember, signal }: Context): void {
  const values = decode([...NETWORK, ...PACE], parameters);
  const history: { steps: number[]; losses: (number | null)[]; accuracies: number[] } = {
    steps: [],
    losses: [],
    accuracies: [],
  };
  let running = false;
  let finished = false;

  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const send = (request: Request): void => worker.postMessage(request);
  signal.addEventListener("abort", () => worker.terminate());

  const lossHost = h("div", { class: "plot" });
  const accuracyHost = h("div", { class: "plot" });
  const run = button("Pause", () => (finished ? start() : send({ type: "run", running: !running })), {
    class: "primary",
    disabled: true,
  });
  const status = h("p", { class: "note", id: "progress" }, "Loading 10,000 digits …");
  const backend = h("p", { class: "note", id: "worker-backend" });
  const error = h("p", { class: "error note", role: "alert" });
  const answer = h("p", { class: "answer", id: "answer" }, "…");
  const bars = Array.from({ length: 10 }, (_, digit) => {
    const meter = h("meter", { min: 0, max: 1, "aria-label": `Probability of ${digit}` });
    const percent = h("span");
    return { row: h("li", {}, h("span", {}, `${digit}`), meter, percent), meter, percent };
  });
  const drawing = pad((pixels) => {
    caption.textContent = "Your drawing.";
    send({ type: "digit", pixels });
  });
  const caption = h("figcaption", {}, "A digit the network is not trained on.");

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
  const upload = h("input", { type: "file", accept: ".safetensors", class: "hidden-input", id: "checkpoint" });

  host.append(
    h("h1", {}, "A network learns to read"),
    h(
      "p",
      { class: "lead" },
      "Handwritten digits, 28 × 28 gray values each, pass through a layer of neurons to ten outputs. Training adjusts " +
        "100,000 weights, step by step, in a worker. Draw a digit, and watch the network change its mind.",
    ),
    h(
      "div",
      { class: "split" },
      h(
        "div",
        { class: "stack" },
        h(
          "figure",
          {},
          h("figcaption", {}, h("b", {}, "Accuracy"), " — share of correct answers on 1,000 test digits."),
          accuracyHost,
        ),
        h("figure", {}, h("figcaption", {}, h("b", {}, "Loss"), " — error on the training digits."), lossHost),
        h("div", { class: "bar" }, run, button("Restart", start), status),
      ),
      h(
        "div",
        { class: "stack" },
        card(
          "What does it see?",
          h(
            "div",
            { class: "drawing" },
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
            h("div", {}, answer, h("ul", { class: "guess" }, ...bars.map(({ row }) => row))),
          ),
        ),
        card(
          "Pace and checkpoint",
          paceForm.element,
          h(
            "p",
            { class: "note" },
            "A checkpoint is a file with all weights and the optimizer's state. Load it to resume training.",
          ),
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
    h("div", { class: "cards" }, h("div", { class: "whole" }, card("Network and training", networkForm.element))),
  );

  const last = () => [0, Math.ceil(8000 / Number(values["batchSize"])) * EPOCHS] as const;
  const series = (name: string) => [{ name, color: "--blue" }];
  const accuracyChart = chart(accuracyHost, {
    label: "Accuracy by training step",
    x: { label: "step", range: last },
    y: { label: "accuracy", range: () => [0, 1] },
    series: series("accuracy"),
    signal,
  });
  const lossChart = chart(lossHost, {
    label: "Loss by training step",
    x: { label: "step", range: last },
    y: { label: "loss", log: 10, range: () => [Math.min(0.01, ...history.losses.map((loss) => loss || 1)), 10] },
    series: series("loss"),
    signal,
  });

  function settings(): Settings {
    return {
      optimizer: values["optimizer"] as Settings["optimizer"],
      learningRate: values["learningRate"] as number,
      hidden: Number(values["hidden"]),
      batchSize: Number(values["batchSize"]),
      seed: values["seed"] as number,
    };
  }

  function save(): void {
    remember(encode([...NETWORK, ...PACE], values));
  }

  function clearHistory(): void {
    for (const column of Object.values(history)) column.length = 0;
  }

  function start(): void {
    clearHistory();
    save();
    error.textContent = "";
    send({ type: "start", settings: settings() });
  }

  upload.addEventListener("change", async () => {
    const file = upload.files?.[0];
    upload.value = "";
    if (file !== undefined) send({ type: "load", bytes: new Uint8Array(await file.arrayBuffer()) });
  });

  worker.addEventListener("error", ({ message }) => {
    error.textContent = message;
  });
  worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => {
    switch (data.type) {
      case "opened":
        backend.textContent = `The worker computes with ${data.backend === "wasm" ? "WebAssembly" : "JavaScript"} (${data.variant}): ${data.reason}.`;
        run.disabled = false;
        send({ type: "pace", pace: Number(values["pace"]) });
        send({ type: "sample" });
        start();
        break;
      case "progress": {
        const { step, loss, accuracy, stepsPerSecond } = data;
        history.steps.push(step);
        history.losses.push(Number.isFinite(loss) ? loss : null);
        history.accuracies.push(accuracy);
        show(accuracyChart, [history.steps, history.accuracies]);
        show(lossChart, [history.steps, history.losses]);
        status.textContent =
          `Step ${step.toLocaleString("en")}, accuracy ${(100 * accuracy).toFixed(1)} %` +
          (stepsPerSecond > 0 ? `, ${Math.round(stepsPerSecond).toLocaleString("en")} steps a second` : "");
        status.dataset["accuracy"] = `${accuracy}`;
        status.dataset["step"] = `${step}`;
        break;
      }
      case "running":
        ({ running, finished } = data);
        run.textContent = running ? "Pause" : finished ? "Again" : "Resume";
        status.dataset["state"] = running ? "running" : finished ? "done" : "paused";
        break;
      case "guess":
        showGuess(data.probabilities);
        break;
      case "sample":
        drawing.show(data.pixels);
        caption.textContent = `A ${data.digit} that the network is not trained on.`;
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

  function showGuess(probabilities: readonly number[]): void {
    const best = probabilities.indexOf(Math.max(...probabilities));
    answer.replaceChildren("Its guess: ", h("b", { id: "guess" }, `${best}`));
    bars.forEach(({ row, meter, percent }, digit) => {
      row.className = digit === best ? "best" : "";
      meter.value = probabilities[digit]!;
      percent.textContent = `${Math.round(100 * probabilities[digit]!)} %`;
    });
  }

  send({ type: "open", data: new URL("digits.bin", document.baseURI).href });
}
