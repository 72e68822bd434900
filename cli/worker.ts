import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { type Core, createCore, OptionError, RMSProp } from "lanewise";
import { saveCheckpoint } from "lanewise/checkpoint";
import {
  type DistributedFitOptions,
  DistributedTrainer,
  type DistributedTrainerOptions,
  type Group,
  joinGroup,
  LocalGroup,
  type NatsConnection,
  type RowSource,
} from "lanewise/distributed";
import { type Dataset, dense, relu, Sequential, softmaxCrossEntropy, Trainer } from "lanewise/nn";
import { loadDigits } from "./digits.js";
import { paragraph } from "./layout.js";
import { bold, cyan, faint, print } from "./terminal.js";
import { checkWritable, writeOutput } from "./train-table.js";
import { plural } from "./words.js";

/** Options of `lanewise worker`. */
export interface WorkerOptions {
  run?: string;
  nats?: string;
  local?: boolean;
  user?: string;
  password?: string;
  token?: string;
  creds?: string;
  ca?: string;
  program?: string;
  name: string;
  lease: number;
  epochs: number;
  batchSize: number;
  microBatches: number;
  resume?: boolean;
  save?: string;
  json?: boolean;
}

/** What a program of one's own returns. */
interface Task {
  trainer: Trainer;
  data: Dataset | RowSource;
  validation?: Dataset;
  options?: DistributedTrainerOptions;
}

/** A group and what connects it. */
interface Joined {
  readonly group: Group;
  close(): Promise<void>;
}

/** Joins a run on a NATS server, trains until it is over, and prints what happens. Resolves to the exit code. */
export async function worker(options: WorkerOptions): Promise<number> {
  const { json, epochs, batchSize, microBatches } = options;
  const say = (event: string, text: string, value: object) => {
    print(json ? JSON.stringify({ event, ...value }) : text);
  };
  if (options.save !== undefined) checkWritable(options.save);
  const create = options.program === undefined ? digits : await load(options.program);
  using core = await createCore();
  const { trainer, data, validation, options: chosen } = await create(core);
  const { group, close } = await join(options);
  const leave = new AbortController();
  const told = (signal: NodeJS.Signals) => leave.abort(signal);
  // Not at once, as other commands end: the others should hear of it.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.removeAllListeners(signal).once(signal, told);
  try {
    report(group, say);
    say("start", bold(`${group.id} in run ${group.run}`), { id: group.id, run: group.run });
    const distributed = new DistributedTrainer(trainer, group, { microBatches, ...chosen });
    const fit: DistributedFitOptions = { epochs, batchSize, signal: leave.signal, ...(validation && { validation }) };
    for await (const epoch of options.resume ? distributed.resume(data, fit) : distributed.fit(data, fit)) {
      const accuracy = epoch.validation ? `  held-out accuracy ${(100 * epoch.validation.accuracy).toFixed(1)} %` : "";
      const where = `epoch ${epoch.epoch}/${epochs}  ${plural(group.members.length, "member")}`;
      say("epoch", cyan(`${where}  loss ${epoch.loss.toFixed(4)}${accuracy}`), { ...epoch, members: group.members });
    }
    const { bytesSent, bytesReceived, waiting } = group.traffic;
    const digest = await digestOf(trainer);
    const traffic = `${megabytes(bytesSent)} sent, ${megabytes(bytesReceived)} received, ${(waiting / 1000).toFixed(1)} s waited`;
    const end = `Training has ended: digest of the parameters ${digest}; ${traffic}.`;
    say("end", paragraph(end), {
      digest,
      traffic: group.traffic,
      units: { bytesSent: "bytes", bytesReceived: "bytes", waiting: "ms" },
    });
    if (options.save !== undefined) {
      const { parameters, buffers } = trainer.model;
      writeOutput(options.save, saveCheckpoint({ parameters: { ...parameters, ...buffers } }));
    }
    return 0;
  } catch (error) {
    if (!leave.signal.aborted) throw error;
    return leave.signal.reason === "SIGINT" ? 130 : 143;
  } finally {
    await group.leave();
    await close();
  }
}

async function join({ run, nats, local, name, lease, ...access }: WorkerOptions): Promise<Joined> {
  if (local) return { group: new LocalGroup(), close: async () => {} };
  if (run === undefined || nats === undefined)
    throw new OptionError("lanewise worker needs --run and --nats, or --local");
  const connection = await connect(nats, access);
  try {
    return { group: await joinGroup(connection, { run, name, lease }), close: () => connection.close() };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function report(group: Group, say: (event: string, text: string, value: object) => void): void {
  group.on("joined", (member) => say("joined", faint(`${member} joined`), { member }));
  group.on("left", (member) => say("left", faint(`${member} left`), { member }));
  group.on("leader", (leader) => say("leader", faint(leader === null ? "no leader" : `${leader} leads`), { leader }));
  group.on("resynchronised", ({ step }) => say("resynchronised", faint(`goes on from step ${step}`), { step }));
  group.on("storage", (what) =>
    say("storage", faint(what ? `${what} does not answer` : "the store answers"), { what }),
  );
}

type Connection = NatsConnection & { close(): Promise<void> };

/** By WebSocket or TCP, as the address says. The clients are optional peers, like what joinGroup needs. */
async function connect(
  nats: string,
  { user, password, token, creds, ca }: Pick<WorkerOptions, "user" | "password" | "token" | "creds" | "ca">,
): Promise<Connection> {
  const isWebSocket = /^wss?:/.test(nats);
  const missing = () => {
    const packages = ["@nats-io/transport-node", "@nats-io/nats-core", "@nats-io/kv", "@nats-io/obj"];
    throw new OptionError(
      `lanewise worker needs NATS's clients, which are not installed: npm install ${packages.join(" ")}`,
    );
  };
  const core = await import("@nats-io/nats-core").catch(missing);
  const options = {
    servers: nats,
    maxReconnectAttempts: -1,
    noEcho: true,
    ...(user !== undefined && { user }),
    ...(password !== undefined && { pass: password }),
    ...(token !== undefined && { token }),
    ...(ca !== undefined && { tls: { ca: await readFile(ca, "utf8") } }),
    ...(creds !== undefined && { authenticator: core.credsAuthenticator(await readFile(creds)) }),
  };
  if (isWebSocket) return core.wsconnect(options);
  return (await import("@nats-io/transport-node").catch(missing)).connect(options);
}

/** The function that a program of one's own exports. */
async function load(file: string): Promise<(core: Core) => Task | Promise<Task>> {
  const { default: create } = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown };
  if (typeof create === "function") return create as (core: Core) => Task;
  throw new OptionError(`${file} has no default export that is a function of a core, expected one`);
}

/** A network for the digits that come with the command. */
function digits(core: Core): Task {
  const { train, test } = loadDigits(new URL("digits.br", import.meta.url));
  const dataset = ({ images, labels }: typeof train): Dataset => ({ x: images, y: labels });
  const model = new Sequential(core, [dense(train.images.length / train.count, 64), relu(), dense(64, 10)], {
    seed: 0,
  });
  const trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: 1e-3 }),
  });
  return { trainer, data: dataset(train), validation: dataset(test) };
}

/** SHA-256 of all parameters, the first 16 digits. */
async function digestOf({ model }: Trainer): Promise<string> {
  const parts = Object.keys(model.parameters)
    .sort()
    .map((name) => model.parameters[name]!.data.slice());
  const hash = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
  return Buffer.from(hash).toString("hex").slice(0, 16);
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
