import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
// @ts-expect-error: a script without types
import { withAbsoluteLinks, withAddresses } from "../../scripts/prepare-publish.mjs";

const root = new URL("../../", import.meta.url);
const readme = readFileSync(new URL("README.md", root), "utf8");
const repository = "https://example.com/owner/lanewise";

it("a published README links to files that exist, by absolute addresses", () => {
  const text: string = withAbsoluteLinks(readme, repository, "v1.2.3");
  const links = [...text.matchAll(/(!?)\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, image, url]) => ({ image, url: url! }));
  expect(links.length).toBeGreaterThan(20);
  for (const { image, url } of links) {
    if (url.startsWith("#")) continue;
    expect(url).toMatch(/^https:/);
    const place = `${repository}/${image === "!" ? "raw" : "blob"}/v1.2.3/`;
    if (!url.startsWith(repository)) continue;
    expect(url.startsWith(place), url).toBe(true);
    expect(existsSync(new URL(url.slice(place.length).replace(/#.*/, ""), root)), url).toBe(true);
  }
  // Nothing else has changed.
  expect(text.replaceAll(/https:\/\/example\.com\/owner\/lanewise\/(blob|raw)\/v1\.2\.3\//g, "")).toBe(readme);
});

it("a published package says where its source, its page and its issues are", () => {
  const manifest = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
  const { repository: source, homepage, bugs, ...rest } = withAddresses(manifest, repository);
  expect([source.url, homepage, bugs]).toEqual([
    "git+https://example.com/owner/lanewise.git",
    "https://example.com/owner/lanewise#readme",
    "https://example.com/owner/lanewise/issues",
  ]);
  expect(rest).toEqual(manifest);
});
