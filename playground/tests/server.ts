import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";

/** What a site sends with every file, by the first part of its path. */
const HEADERS: Readonly<Record<string, Record<string, string>>> = {
  plain: {},
  csp: { "Content-Security-Policy": "default-src 'self'" },
  isolated: { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" },
};

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** Serves a folder as three sites; they lie in folders, as the page must work from any. */
export async function serve(folder: string): Promise<{ origin: string; close: () => void }> {
  const server = createServer(async (request, response) => {
    const [, site = "", ...path] = new URL(request.url!, "http://localhost").pathname.split("/");
    const file = path.join("/") || "index.html";
    const content = await readFile(join(folder, file)).catch(() => undefined);
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    if (content === undefined || !(site in HEADERS)) response.writeHead(404).end();
    else response.writeHead(200, { "Content-Type": type, ...HEADERS[site] }).end(content);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, close: () => server.close() };
}
