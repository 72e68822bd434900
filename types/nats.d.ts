// What Lanewise uses of NATS's clients, which are optional; tests/distributed compiles the same sources against their
// real types.
declare module "@nats-io/nats-core" {
  interface ConnectionOptions {
    readonly servers: string;
    readonly maxReconnectAttempts?: number;
    readonly noEcho?: boolean;
    readonly user?: string;
    readonly pass?: string;
    readonly token?: string;
    readonly tls?: { readonly ca: string };
    readonly authenticator?: object;
  }
  interface Connection {
    readonly info?: { readonly max_payload: number };
    publish(subject: string, payload?: Uint8Array): void;
    subscribe(
      subject: string,
      options: { callback: (error: Error | null, message: { readonly data: Uint8Array }) => void },
    ): { unsubscribe(): void };
    flush(): Promise<void>;
    isClosed(): boolean;
    closed(): Promise<unknown>;
    close(): Promise<void>;
  }
  export function wsconnect(options: ConnectionOptions): Promise<Connection>;
  export function credsAuthenticator(creds: Uint8Array): object;
}

declare module "@nats-io/transport-node" {
  import type { Connection, ConnectionOptions } from "@nats-io/nats-core";
  export function connect(options: ConnectionOptions): Promise<Connection>;
}

declare module "@nats-io/kv" {
  interface KvEntry {
    readonly value: Uint8Array;
    readonly revision: number;
  }
  interface KV {
    get(key: string): Promise<KvEntry | null>;
    put(key: string, data: Uint8Array, options: { readonly previousSeq: number }): Promise<number>;
  }
  export class Kvm {
    constructor(connection: object);
    create(
      bucket: string,
      options: { readonly history: number; readonly storage: "file" | "memory"; readonly replicas: number },
    ): Promise<KV>;
  }
}

declare module "@nats-io/obj" {
  interface ObjectStore {
    putBlob(meta: { readonly name: string }, data: Uint8Array): Promise<unknown>;
    getBlob(name: string): Promise<Uint8Array | null>;
    delete(name: string): Promise<unknown>;
  }
  export class Objm {
    constructor(connection: object);
    create(
      bucket: string,
      options: { readonly storage: "file" | "memory"; readonly replicas: number },
    ): Promise<ObjectStore>;
  }
}
