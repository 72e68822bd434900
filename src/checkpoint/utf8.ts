// UTF-8 without TextEncoder and TextDecoder: QuickJS, Hermes and jsdom lack them, and a file must not be refused for it.

/** Code units that are made into a string at once; calls limit the number of arguments. */
const CHUNK = 4096;
const units = /* @__PURE__ */ new Uint16Array(CHUNK + 2);

/**
 * The text of UTF-8 bytes from `start` to `end`. Strict, as TextDecoder is with `fatal`: overlong forms, surrogates, code
 * points above U+10FFFF and cut sequences are errors. A byte order mark is a character like any other.
 *
 * @returns the text, or the place of the first byte that is wrong
 */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string | number {
  let text = "";
  let length = 0;
  let at = start;
  while (at < end) {
    const lead = bytes[at]!;
    if (lead < 0x80) {
      units[length++] = lead;
      at++;
    } else {
      const more = lead < 0xc2 || lead > 0xf4 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
      if (more === 0 || at + more >= end) return at;
      // The second byte tells overlong forms, surrogates and what is above U+10FFFF.
      const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
      const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
      let point = lead & (0x3f >> more);
      for (let i = 1; i <= more; i++) {
        const byte = bytes[at + i]!;
        if (i === 1 ? byte < low || byte > high : (byte & 0xc0) !== 0x80) return at;
        point = (point << 6) | (byte & 0x3f);
      }
      if (point > 0xffff) {
        units[length++] = 0xd7c0 + (point >> 10);
        units[length++] = 0xdc00 | (point & 0x3ff);
      } else units[length++] = point;
      at += more + 1;
    }
    if (length >= CHUNK) {
      text += take(length);
      length = 0;
    }
  }
  return length === 0 ? text : text + take(length);
}

function take(length: number): string {
  return String.fromCharCode.apply(null, units.subarray(0, length) as unknown as number[]);
}

/** The UTF-8 bytes of a text; `undefined` if half a surrogate pair is in it, which has none. */
export function encodeUtf8(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(lengthOf(text));
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    let point = text.charCodeAt(i);
    if (point < 0x80) {
      bytes[at++] = point;
      continue;
    }
    if (point >= 0xd800 && point < 0xe000) {
      const low = text.charCodeAt(i + 1); // NaN at the end
      if (point >= 0xdc00 || !(low >= 0xdc00 && low < 0xe000)) return undefined;
      point = ((point - 0xd7c0) << 10) | (low & 0x3ff);
      i++;
    }
    const more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    bytes[at++] = ((0xf0 << (3 - more)) & 0xff) | (point >> (6 * more));
    for (let k = more - 1; k >= 0; k--) bytes[at++] = 0x80 | ((point >> (6 * k)) & 0x3f);
  }
  return bytes;
}

/** The length in UTF-8; each half of a surrogate pair counts 2 of its 4 bytes. */
function lengthOf(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) length += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return length;
}
