// Before `npm publish`: writes the repository's address into package.json, and makes the README's links absolute, because
// npm's page has no files beside it. `node scripts/prepare-publish.mjs [repository]`; by default that of addresses.mjs.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { REPOSITORY } from "./addresses.mjs";

/** The manifest with `repository`, `homepage` and `bugs`. */
export function withAddresses(manifest, repository) {
  return {
    ...manifest,
    homepage: `${repository}#readme`,
    bugs: `${repository}/issues`,
    repository: { type: "git", url: `git+${repository}.git` },
  };
}

/** Markdown whose relative links lead to files of the repository at a tag; images to their bytes. */
export function withAbsoluteLinks(text, repository, tag) {
  return text.replace(/```.*?```|(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)/gs, (link, image, label, path) => {
    if (path === undefined) return link; // code
    return `${image}[${label}](${repository}/${image === "" ? "blob" : "raw"}/${tag}/${path})`;
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const repository = process.argv[2] ?? REPOSITORY;
  if (!repository.startsWith("https://")) throw new Error("set REPOSITORY in scripts/addresses.mjs, or name it");
  const root = new URL("../", import.meta.url);
  const manifest = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
  const readme = readFileSync(new URL("README.md", root), "utf8");
  const prepared = JSON.stringify(withAddresses(manifest, repository), undefined, 2);
  writeFileSync(new URL("package.json", root), `${prepared}\n`);
  writeFileSync(new URL("README.md", root), withAbsoluteLinks(readme, repository, `v${manifest.version}`));
}
