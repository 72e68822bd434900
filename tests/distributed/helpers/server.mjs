// A nats-server with JetStream, TLS, credentials and a WebSocket listener, each on a port of its own.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const binary = fileURLToPath(new URL("../node_modules/.nats/nats-server", import.meta.url));

/** A port that nobody listens on. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function untilOpen(port) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const isOpen = await new Promise((resolve) => {
      const socket = connectTcp(port, "127.0.0.1");
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}

/** A certificate for 127.0.0.1 that nobody else trusts. */
function createCertificate(folder) {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", [...args, ...subject, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  return { key, certificate };
}

/** What is connected with: `tcp` for Node, Deno and Bun, `websocket` for browsers and Workers. */
export class NatsServer {
  static async start({ secure = false, maxStore = "1GB", maxPayload = "1MB" } = {}) {
    const server = new NatsServer();
    server.folder = mkdtempSync(join(tmpdir(), "lanewise-nats-"));
    [server.port, server.websocketPort] = [await freePort(), await freePort()];
    const lines = [
      `listen: "127.0.0.1:${server.port}"`,
      `max_payload: ${maxPayload}`,
      `jetstream { store_dir: "${server.folder}/store", max_file_store: ${maxStore} }`,
      `websocket { listen: "127.0.0.1:${server.websocketPort}", no_tls: true }`,
    ];
    if (secure) {
      const { key, certificate } = createCertificate(server.folder);
      server.ca = readFileSync(certificate, "utf8");
      lines.push(`tls { cert_file: "${certificate}", key_file: "${key}" }`);
      lines.push('authorization { users: [ { user: "member", password: "of the group" } ] }');
    }
    server.secure = secure;
    server.configuration = join(server.folder, "server.conf");
    writeFileSync(server.configuration, lines.join("\n"));
    await server.restart();
    return server;
  }

  /** Starts the server; what JetStream has stored is still there. */
  async restart() {
    if (!existsSync(binary)) throw new Error(`${binary} is missing: npm run test:distributed installs it`);
    this.process = spawn(binary, ["-c", this.configuration], { stdio: ["ignore", "ignore", "pipe"] });
    this.log = "";
    this.process.stderr.on("data", (data) => {
      this.log = (this.log + data).slice(-20000);
    });
    await untilOpen(this.port);
    await untilOpen(this.websocketPort);
  }

  /** Without a goodbye. */
  async kill() {
    const exit = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exit;
  }

  async stop() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Options of `connect`. */
  get tcp() {
    const servers = `${this.secure ? "tls" : "nats"}://127.0.0.1:${this.port}`;
    if (!this.secure) return { servers };
    return { servers, tls: { ca: this.ca }, user: "member", pass: "of the group" };
  }

  /** Options of `wsconnect`. */
  get websocket() {
    const servers = `ws://127.0.0.1:${this.websocketPort}`;
    return this.secure ? { servers, user: "member", pass: "of the group" } : { servers };
  }

  /** Processor seconds that the server has used. */
  get processorSeconds() {
    const fields = readFileSync(`/proc/${this.process.pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }
}
