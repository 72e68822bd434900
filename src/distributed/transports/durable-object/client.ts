import { GroupError } from "../../errors.js";
import { decodeMessage, encodeMessage, joinBytes } from "../../packets.js";
import type { PromisedStore, Transport } from "../transport.js";
import { type Answer, type FromHub, PART_BYTES, type ToHub } from "./frames.js";

/** Options of `joinDurableObject` beside those of a group. */
export interface DurableObjectOptions {
  /** The class of WebSockets, where there is no global one (Node before 22). */
  WebSocket?: new (
    url: string,
  ) => WebSocket;
}

/** Milliseconds without an answer after which a request counts as lost. */
const PATIENCE = 5000;

interface Waiting {
  readonly resolve: (answer: Answer & { readonly payload: Uint8Array }) => void;
  readonly reject: (error: Error) => void;
}

/** Distributes over union members, which Omit does not. */
type WithoutRequest<T> = T extends { request: number } ? Omit<T, "request"> : never;

/** A run on a Durable Object; the connection is made again whenever it is lost. */
export class DurableObjectTransport implements Transport {
  readonly packetBytes = 512 * 1024;
  readonly store: PromisedStore;
  readonly closed: Promise<Error | undefined>;
  readonly #open: () => WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  #socket: WebSocket | undefined;
  #receive: (packet: Uint8Array) => void = () => {};
  #requests = 0;
  #isClosed = false;
  #failures = 0;
  #finish: (error?: Error) => void = () => {};

  constructor(url: URL, options: DurableObjectOptions) {
    const Socket = options.WebSocket ?? globalThis.WebSocket;
    if (typeof Socket !== "function") throw new GroupError("there is no WebSocket here; pass one as options.WebSocket");
    this.#open = () => new Socket(url.href);
    this.closed = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.store = this.#createStore();
  }

  /** Resolves once connected; rejects if the first attempt fails. */
  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = this.#open();
      socket.binaryType = "arraybuffer";
      socket.addEventListener("open", () => {
        this.#socket = socket;
        this.#failures = 0;
        resolve();
      });
      socket.addEventListener("message", ({ data }) => this.#take(new Uint8Array(data as ArrayBuffer)));
      socket.addEventListener("error", () => reject(new GroupError(`${socket.url} cannot be reached`)));
      socket.addEventListener("close", () => {
        reject(new GroupError(`${socket.url} closes the connection`));
        if (this.#socket === socket) this.#reconnect();
      });
    });
  }

  async listen(_id: string, receive: (packet: Uint8Array) => void): Promise<void> {
    this.#receive = receive;
  }

  publish(to: string | null, packet: Uint8Array): void {
    this.#send({ op: "publish", to }, packet);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#socket?.close(1000);
    this.#rejectAll();
    this.#finish();
  }

  #reconnect(): void {
    this.#socket = undefined;
    this.#rejectAll();
    if (this.#isClosed) return;
    const delay = Math.min(5000, 100 * 2 ** this.#failures++) * (0.5 + Math.random());
    setTimeout(() => {
      if (!this.#isClosed) this.connect().catch(() => this.#reconnect());
    }, delay);
  }

  #rejectAll(): void {
    for (const { reject } of this.#waiting.values()) reject(new GroupError("the connection to the hub is lost"));
    this.#waiting.clear();
  }

  #take(frame: Uint8Array): void {
    const message = decodeMessage(frame);
    if (message === undefined) return;
    const header = message.header as FromHub;
    if (header.op === "packet") {
      this.#receive(message.payload);
      return;
    }
    const waiting = this.#waiting.get(header.request);
    this.#waiting.delete(header.request);
    if (header.error === undefined) waiting?.resolve({ ...header, payload: message.payload });
    else waiting?.reject(new GroupError(`the hub refuses: ${header.error}`));
  }

  #send(header: ToHub, payload?: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket === undefined || socket.readyState !== 1) return false;
    socket.send(encodeMessage(header, payload) as Uint8Array<ArrayBuffer>);
    return true;
  }

  #ask(header: WithoutRequest<ToHub>, payload?: Uint8Array): Promise<Answer & { readonly payload: Uint8Array }> {
    const request = ++this.#requests;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(request);
        reject(new GroupError("the hub does not answer"));
      }, PATIENCE);
      const settled = <T>(settle: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          settle(value);
        };
      };
      this.#waiting.set(request, { resolve: settled(resolve), reject: settled(reject) });
      if (this.#send({ ...header, request } as ToHub, payload)) return;
      this.#waiting.get(request)!.reject(new GroupError("the hub is not connected"));
      this.#waiting.delete(request);
    });
  }

  #createStore(): PromisedStore {
    return {
      read: async (key) => {
        const { value, revision } = await this.#ask({ op: "read", key });
        return value === undefined || revision === undefined ? undefined : { value, revision };
      },
      write: async (key, value, revision) => {
        return (await this.#ask({ op: "write", key, value, revision })).revision ?? "conflict";
      },
      putBlob: async (name, bytes) => {
        const count = Math.max(1, Math.ceil(bytes.length / PART_BYTES));
        for (let index = 0; index < count; index++) {
          const part = bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES);
          await this.#ask({ op: "put", name, index, count }, part);
        }
      },
      getBlob: async (name) => {
        const parts: Uint8Array[] = [];
        for (let index = 0; ; index++) {
          const { count = 0, payload } = await this.#ask({ op: "get", name, index });
          if (count === 0) return undefined;
          parts.push(payload);
          if (parts.length === count) return joinBytes(parts);
        }
      },
      deleteBlob: async (name) => {
        await this.#ask({ op: "delete", name });
      },
    };
  }
}
