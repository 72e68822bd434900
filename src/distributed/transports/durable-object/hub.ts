import { decodeMessage, encodeMessage } from "../../packets.js";
import type { Answer, FromHub, ToHub } from "./frames.js";
import type { DurableObjectNamespace, DurableObjectState, SqlStorage } from "./platform.js";

/** The two ends of a connection; a global of the platform. */
declare const WebSocketPair: new () => { 0: WebSocket; 1: WebSocket };

const TABLES = `
  CREATE TABLE IF NOT EXISTS register (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS parts (
    name TEXT NOT NULL, part INTEGER NOT NULL, count INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (name, part)
  );
`;

/**
 * A Durable Object that connects the members of a run: it passes their packets on, and keeps the register and the
 * checkpoints in its SQLite storage. It computes nothing and does not see what it passes on. Members use
 * `joinDurableObject`; the same protocol runs over it as over NATS, with the same bits.
 *
 * @example
 * // The Worker. In wrangler.jsonc: a binding HUB of the class GroupHub, and "new_sqlite_classes": ["GroupHub"].
 * import { GroupHub, routeToHub } from "lanewise/distributed";
 * export { GroupHub };
 * export default { fetch: (request, env) => routeToHub(request, env.HUB) };
 */
export class GroupHub {
  readonly #state: DurableObjectState;
  readonly #sql: SqlStorage;

  constructor(state: DurableObjectState) {
    this.#state = state;
    this.#sql = state.storage.sql;
    this.#sql.exec(TABLES);
  }

  /** A member connects. */
  fetch(request: Request): Response {
    const member = new URL(request.url).searchParams.get("member");
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket" || !member || member.length > 128) {
      return new Response("expected a WebSocket with ?run=…&member=…", { status: 426 });
    }
    const { 0: client, 1: server } = new WebSocketPair();
    // The platform may take the object out of memory while nothing is sent; sockets and storage stay.
    this.#state.acceptWebSocket(server, [member]);
    return new Response(null, { status: 101, webSocket: client } as ResponseInit);
  }

  webSocketMessage(socket: WebSocket, data: ArrayBuffer | string): void {
    const message = typeof data === "string" ? undefined : decodeMessage(new Uint8Array(data));
    if (message === undefined) return;
    const header = message.header as ToHub;
    if (header.op === "publish") this.#publish(socket, header.to, message.payload);
    else this.#respond(socket, header, message.payload);
  }

  webSocketClose(socket: WebSocket, code: number): void {
    // 1005 and 1006 say that there was no code, and cannot be sent.
    socket.close(code >= 1000 && code < 1004 ? code : 1000);
  }

  webSocketError(): void {}

  #publish(from: WebSocket, to: string | null, packet: Uint8Array): void {
    const frame = encodeFrame({ op: "packet" }, packet);
    for (const socket of this.#state.getWebSockets(to ?? undefined)) {
      if (socket === from) continue;
      try {
        socket.send(frame);
      } catch {} // it is closing; a packet may be lost
    }
  }

  #respond(socket: WebSocket, header: Exclude<ToHub, { op: "publish" }>, payload: Uint8Array): void {
    let answer: Answer;
    let bytes: Uint8Array | undefined;
    try {
      [answer, bytes] = this.#carryOut(header, payload);
    } catch (error) {
      answer = { error: String(error) };
    }
    // The platform sends nothing before what was written is durable.
    socket.send(encodeFrame({ op: "answer", request: header.request, ...answer }, bytes));
  }

  #carryOut(header: Exclude<ToHub, { op: "publish" }>, payload: Uint8Array): [Answer, Uint8Array?] {
    switch (header.op) {
      case "read":
        return [this.#read(header.key)];
      case "write": {
        const { revision: current = 0 } = this.#read(header.key);
        if (current !== header.revision) return [{}];
        const [last] = this.#sql.exec("SELECT MAX(revision) AS last FROM register").toArray();
        const revision = Number(last?.["last"] ?? 0) + 1;
        this.#sql.exec("INSERT OR REPLACE INTO register VALUES (?, ?, ?)", header.key, header.value, revision);
        return [{ revision }];
      }
      case "put": {
        const { name, index, count } = header;
        const bytes = payload.slice().buffer as ArrayBuffer;
        this.#sql.exec("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?)", name, index, count, bytes);
        return [{}];
      }
      case "get": {
        const query = "SELECT count, bytes FROM parts WHERE name = ? AND part = ?";
        const [row] = this.#sql.exec(query, header.name, header.index).toArray();
        if (row === undefined) return [{ count: 0 }];
        return [{ count: Number(row["count"]) }, new Uint8Array(row["bytes"] as ArrayBuffer)];
      }
      case "delete":
        this.#sql.exec("DELETE FROM parts WHERE name = ?", header.name);
        return [{}];
    }
  }

  #read(key: string): Answer {
    const [row] = this.#sql.exec("SELECT value, revision FROM register WHERE key = ?", key).toArray();
    return row === undefined ? {} : { value: String(row["value"]), revision: Number(row["revision"]) };
  }
}

/** Passes a member's request to the hub of its run. Check who it is before: everybody who gets there can join. */
export function routeToHub(request: Request, namespace: DurableObjectNamespace): Response | Promise<Response> {
  const run = new URL(request.url).searchParams.get("run") ?? "";
  if (!/^[\w-]{1,64}$/.test(run)) return new Response("expected ?run=…", { status: 400 });
  return namespace.get(namespace.idFromName(run)).fetch(request);
}

function encodeFrame(header: FromHub, payload?: Uint8Array): Uint8Array<ArrayBuffer> {
  return encodeMessage(header, payload) as Uint8Array<ArrayBuffer>;
}
