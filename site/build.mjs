// Builds the documentation in build/docs: the repository's pages and an API reference, as static files that work from
// any folder of a server. Then checks every link.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { LinkChecker } from "linkinator";
import { build } from "vitepress";
import { addressesOf, REPOSITORY } from "../scripts/addresses.mjs";
import { BASE, makeRelative } from "./relative-base.mjs";

const site = dirname(fileURLToPath(import.meta.url));
const root = join(site, "..");
const pages = join(site, "pages");
/** The playground as one file, from `npm run playground:build`. */
const playground = join(root, "build/playground/playground.html");
const out = join(root, "build/docs");

const { source } = addressesOf(REPOSITORY);

const filesIn = (folder) => {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
};

/** Pages beside those in docs/ that they link to. */
const OTHERS = [
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "assembly/README.md",
  "bench/README.md",
  "bench/RESULTS.md",
  "examples/README.md",
  "tests/golden/README.md",
].filter((name) => existsSync(join(root, name)));

rmSync(pages, { recursive: true, force: true });
rmSync(out, { recursive: true, force: true });
const documents = [...filesIn(join(root, "docs")).map((name) => `docs/${name}`), ...OTHERS];
for (const name of documents) {
  const target = join(pages, name === "docs/index.md" ? "index.md" : name);
  mkdirSync(dirname(target), { recursive: true });
  if (name.endsWith(".md")) writeFileSync(target, prepare(name));
  else cpSync(join(root, name), target);
}

// The playground is a page of the site that shows its one file in a frame, and that file for a page of its own.
writeFileSync(
  join(pages, "playground.md"),
  "---\ntitle: Playground\nlayout: page\nsidebar: false\nframe: /playground-app.html\n---\n\n[The playground without this frame](./playground-app.html){target=_self}\n",
);
mkdirSync(join(pages, "public"));
cpSync(join(root, "playground/public/icon.svg"), join(pages, "public/icon.svg"));
const app = readFileSync(playground, "utf8");
const here = app.replace(/<a href="[^"]*">Docs</, '<a href="index.html" target="_top">Docs<');
if (here === app) throw new Error("the playground has no link to these pages");
writeFileSync(join(pages, "public/playground-app.html"), here);

/** The text of a page, with links to files that are no pages made to links into the repository, or to plain text. */
function prepare(name) {
  const isHome = name === "docs/index.md";
  const text = readFileSync(join(root, name), "utf8");
  return text
    .replaceAll(/^<!-- .* -->\n/gm, "")
    .replace(
      /```.*?```|(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s#]+)(#[^)\s]*)?\)/gs,
      (link, image, label, path, hash = "") => {
        if (path === undefined) return link; // code
        const target = normalize(join(dirname(name), path)).replace(/\/$/, "");
        if (documents.includes(target)) return isHome ? `${image}[${label}](./${target}${hash})` : link;
        if (!existsSync(join(root, target))) throw new Error(`${name}: ${path} does not exist`);
        if (target === "README.md") return `[${label}](${relative(dirname(name), "index.md")})`;
        return source === undefined ? label : `[${label}](${source}${target}${hash})`;
      },
    );
}

execFileSync(
  process.execPath,
  [join(site, "node_modules/typedoc/bin/typedoc"), "--options", join(site, "typedoc.json")],
  {
    cwd: site,
    stdio: ["ignore", "ignore", "inherit"],
  },
);

/** What programs import, by the names of TypeDoc's modules. */
const ENTRIES = {
  "entry/inline": "lanewise",
  nn: "lanewise/nn",
  checkpoint: "lanewise/checkpoint",
  "checkpoint/stores/file": "lanewise/checkpoint/file",
  tfjs: "lanewise/tfjs",
  distributed: "lanewise/distributed",
};
for (const name of filesIn(join(pages, "api"))) {
  const file = join(pages, "api", name);
  let text = readFileSync(file, "utf8");
  // TypeDoc's anchors of names that end in an underscore are not those that VitePress makes.
  text = text.replace(/(\]\([^)]*#\w+)_\)/g, "$1)");
  for (const [module, entry] of Object.entries(ENTRIES)) {
    text = text.replaceAll(`[${module}](`, `[${entry}](`).replaceAll(`/ ${module}\n`, `/ ${entry}\n`);
    text = text.replaceAll(`\n# ${module}\n`, `\n# ${entry}\n`);
  }
  writeFileSync(file, text);
}

await build(site, { base: BASE, outDir: out });
for (const name of filesIn(out)) {
  if (!/\.(html|js|css)$/.test(name)) continue;
  const file = join(out, name);
  writeFileSync(file, makeRelative(name, readFileSync(file, "utf8")));
}

// As a server may have it, in a folder. Every page is a start, because a link may be the only one to its place.
const { links } = await new LinkChecker().check({
  path: `${basename(out)}/**/*.html`,
  serverRoot: dirname(out),
  checkFragments: true,
  linksToSkip: ["^https?://(?!localhost)"],
});
// The playground makes the places of its own links when it runs; its tests open them.
const broken = links.filter(({ state, url }) => state === "BROKEN" && !url.includes("playground-app.html#"));
for (const { url, parent, status } of broken) console.error(`${parent} links to ${url}: ${status}`);
const checked = links.filter(({ state }) => state === "OK").length;
console.log(`build/docs: ${checked} links work, ${broken.length} are broken`);
if (broken.length > 0 || checked < 100) process.exit(1);
