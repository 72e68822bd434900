// The figures in RESULTS.md and the README are those of bench/results: none is typed.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FILES, fillRegions, makeRegions } from "../../bench/tables.js";

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");

describe("the tables of the benches", () => {
  const regions = makeRegions();

  it.each(FILES)("in %s are what `npm run bench:tables` makes of bench/results", (name) => {
    expect(fillRegions(read(name), regions)).toBe(read(name));
  });

  it("are all shown somewhere, each once", () => {
    const shown = FILES.flatMap((name) =>
      Array.from(read(name).matchAll(/<!-- bench:(\w+) -->/g), ([, region]) => region),
    );
    expect(shown.sort()).toEqual(Object.keys(regions).sort());
  });

  it("in RESULTS.md have no figures beside them", () => {
    const prose = read("bench/RESULTS.md").replaceAll(/<!-- bench:\w+ -->[\s\S]*?<!-- \/bench -->/g, "");
    expect(prose).not.toMatch(/\|/);
    expect(prose).not.toMatch(/\d(?:\.\d+)? ?(?:GFLOP|GB\/s|ms|µs|KiB|%|times)/);
  });

  it("change with their figures, and a damaged region is refused", () => {
    const text = "a\n<!-- bench:sizes -->\nold\n<!-- /bench -->\nb";
    const filled = fillRegions(text, { sizes: "new" });
    expect(filled).toBe("a\n<!-- bench:sizes -->\n\nnew\n\n<!-- /bench -->\nb");
    expect(fillRegions(filled, { sizes: "new" })).toBe(filled);
    expect(() => fillRegions(text, {})).toThrow(/no region sizes/);
    expect(() => fillRegions(text.replace("<!-- /bench -->", ""), { sizes: "new" })).toThrow(
      /1 regions start and 0 end/,
    );
  });
});
