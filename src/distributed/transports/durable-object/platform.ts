/** What is used of Cloudflare's Durable Objects, so that the package compiles without their types. */

export interface SqlStorage {
  exec(
    query: string,
    ...bindings: (string | number | null | ArrayBuffer)[]
  ): {
    toArray(): Record<string, string | number | null | ArrayBuffer>[];
  };
}

export interface DurableObjectState {
  readonly storage: { readonly sql: SqlStorage };
  acceptWebSocket(socket: WebSocket, tags?: string[]): void;
  getWebSockets(tag?: string): WebSocket[];
}

export interface DurableObjectNamespace {
  idFromName(name: string): object;
  get(id: object): { fetch(request: Request): Promise<Response> };
}
