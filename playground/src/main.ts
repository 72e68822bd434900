import { type Core, createCore } from "lanewise";
import { themeSwitch } from "./ui/theme.ts";

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
/** Writes what a part remembers into the address now. */
let writeAddress: () => void = () => {};

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
  writeAddress = () => {};
  const remember = (next: URLSearchParams): void => {
    clearTimeout(timer);
    writeAddress = () => {
      const query = `${next}`;
      if (!signal.aborted) history.replaceState(null, "", `#${name}${query && `?${query}`}`);
    };
    // Not at each move of a slider: browsers refuse to change the address a hundred times in a row.
    timer = setTimeout(() => writeAddress(), 100);
  };
  part(main, { core, parameters, remember, signal });
}

/** Copies the address, which has every setting. */
async function copyLink({ currentTarget }: Event): Promise<void> {
  const button = currentTarget as HTMLButtonElement;
  writeAddress();
  const copied = await navigator.clipboard?.writeText(location.href).then(
    () => true,
    () => false,
  );
  if (!copied) prompt("Copy this link:", location.href);
  else {
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = "Copy link";
    }, 2000);
  }
}

async function start(): Promise<void> {
  themeSwitch(document.querySelector("#theme")!);
  document.querySelector("#copy")!.addEventListener("click", copyLink);
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
