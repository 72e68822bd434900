import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { installed } from "../training.js";

/** Height and width of the pictures. */
export const PIXELS = 32;

/** What is told apart, by Unicode's subcategories. */
const KINDS: readonly (readonly [kind: string, subcategories: RegExp])[] = [
  ["face", /^face-/],
  ["animal", /^animal-/],
  ["food", /^(food-|drink$)/],
  ["vehicle", /^transport-(ground|air|water)$/],
  ["clothing", /^clothing$/],
  ["building", /^place-(building|religious)$/],
  ["flag", /-flag$/],
];

export const KIND_NAMES: readonly string[] = KINDS.map(([kind]) => kind);

/** Each group is cut to this number of pictures, so none outweighs the others. */
const MOST = 120;

/** A picture [32, 32, 3] on white, with numbers from −1 to 1, and the index of its kind. */
export interface Picture {
  readonly name: string;
  readonly kind: number;
  readonly pixels: Float32Array;
}

interface Emoji {
  readonly name: string;
  readonly subcategory: string;
  readonly sheet_x: number;
  readonly sheet_y: number;
  readonly [has: `has_img_${string}`]: boolean;
}

/** The emoji of these kinds, each as all vendors draw it. */
export function loadEmoji(vendors: readonly string[]): readonly (readonly Picture[])[] {
  const folder = installed("pictures");
  const require = createRequire(new URL("package.json", folder));
  const { PNG } = require("pngjs") as { PNG: { sync: { read(file: Buffer): { width: number; data: Buffer } } } };
  const path = (name: string) => new URL(`node_modules/emoji-datasource/${name}`, folder);
  const all = JSON.parse(readFileSync(path("emoji.json"), "utf8")) as Emoji[];
  const sheets = vendors.map((vendor) => PNG.sync.read(readFileSync(path(`img/${vendor}/sheets/32.png`))));
  return KINDS.flatMap(([, subcategories], kind) => {
    const chosen = all.filter(
      (emoji) => subcategories.test(emoji.subcategory) && vendors.every((vendor) => emoji[`has_img_${vendor}`]),
    );
    return chosen.slice(0, MOST).map(({ name, sheet_x, sheet_y }) => {
      return sheets.map(({ width, data }) => {
        const pixels = new Float32Array(PIXELS * PIXELS * 3);
        for (let i = 0; i < pixels.length; i++) {
          const [row, column, channel] = [Math.floor(i / (3 * PIXELS)), Math.floor(i / 3) % PIXELS, i % 3];
          // Each picture has a pixel around it.
          const at = 4 * ((sheet_y * (PIXELS + 2) + 1 + row) * width + sheet_x * (PIXELS + 2) + 1 + column);
          const alpha = data[at + 3]! / 255;
          pixels[i] = 2 * ((alpha * data[at + channel]!) / 255 + 1 - alpha) - 1;
        }
        return { name, kind, pixels };
      });
    });
  });
}
