import { type Core, createCore } from "lanewise";

/** What a part of the page gets. */
export interface Context {
  readonly core: Core;
  /** What the address says about it. */
  readonly parameters: URLSearchParams;
  /** Writes it into the address. */
  remember(parameters: URLSearchParams): void;
  /** Aborts when the part is left. */
  readonly signal: AbortSignal;
}

/** Fills its host. */
type Part = (host: HTMLElement, context: Context) => void;

const PARTS: Readonly<Record<string, () => Promise<{ default: Part }>>> = {
  trajectories: () => import("./trajectories/view.ts"),
  speed: () => import("./speed/view.ts"),
  digits: () => import("./digits/view.ts"),
};

const main = document.querySelector("main")!;
const links = document.querySelectorAll<HTMLAnchorElement>("nav a");
let current = new AbortController();

function readAddress(): { name: string; parameters: URLSearchParams } {
  const [name = "", query = ""] = location.hash.slice(1).split("?");
  return { name: Object.hasOwn(PARTS, name) ? name : "trajectories", parameters: new URLSearchParams(query) };
}

async function show(core: Core): Promise<void> {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const { name, parameters } = readAddress();
  for (const link of links) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const { default: part } = await PARTS[name]!();
  if (signal.aborted) return;
  main.replaceChildren();
  document.title = `${name[0]!.toUpperCase()}${name.slice(1)} · Lanewise playground`;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const remember = (next: URLSearchParams): void => {
    clearTimeout(timer);
    // Not at each move of a slider: browsers refuse to change the address a hundred times in a row.
    timer = setTimeout(() => {
      const query = `${next}`;
      if (!signal.aborted) history.replaceState(null, "", `#${name}${query && `?${query}`}`);
    }, 100);
  };
  part(main, { core, parameters, remember, signal });
}

async function start(): Promise<void> {
  const core = await createCore();
  document.querySelector("#backend")!.textContent = `${describeBackend(core)} ${core.reason}.`;
  addEventListener("hashchange", () => show(core).catch(report));
  // The address belongs to the parts.
  document.querySelector(".skip")!.addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  await show(core);
}

function describeBackend({ backend, variant }: Core): string {
  return backend === "wasm"
    ? `Runs here: WebAssembly (${variant}).`
    : `Runs here: JavaScript (${variant}), bit-identical to Wasm.`;
}

function report({ message }: Error): void {
  main.textContent = `This page does not work here: ${message}`;
}

start().catch(report);
