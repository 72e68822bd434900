// What Lanewise uses of the optional peers @nats-io/kv and @nats-io/obj; tests/distributed compiles the same sources
// against their real types.
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
