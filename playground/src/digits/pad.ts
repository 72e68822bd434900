import { h } from "../ui/dom.ts";

const SIDE = 280;
const PEN = 22;
/** The network's images: 28 pixels wide, the digit itself 20 at most. */
const IMAGE = 28;
const DIGIT = 20;

export interface Pad {
  readonly element: HTMLCanvasElement;
  clear(): void;
  /** Shows an image of 28 × 28 gray values. */
  show(pixels: Float32Array): void;
}

/** A place to draw a digit on, by pointer or by keyboard; `onDraw` gets it as the network wants it. */
export function pad(onDraw: (pixels: Float32Array) => void): Pad {
  const element = h("canvas", {
    class: "pad",
    width: SIDE,
    height: SIDE,
    tabindex: 0,
    role: "application",
    "aria-label": "Draw a digit. With the keyboard: arrows move the pen, space puts it down and lifts it.",
  });
  const ctx = element.getContext("2d", { willReadFrequently: true })!;
  /** What is drawn, without the pen. */
  const ink = h("canvas", { width: SIDE, height: SIDE });
  const inkCtx = ink.getContext("2d", { willReadFrequently: true })!;
  let [x, y, isDown, isKeyboard] = [SIDE / 2, SIDE / 4, false, false];
  let isImage = false;

  const paint = (): void => {
    ctx.fillStyle = "#0d1117";
    ctx.fillRect(0, 0, SIDE, SIDE);
    ctx.drawImage(ink, 0, 0);
    if (!isKeyboard) return;
    ctx.strokeStyle = isDown ? "#6cb6f5" : "#ff9d5c";
    ctx.lineWidth = 3;
    ctx.beginPath();
    ctx.arc(x, y, PEN / 2, 0, 2 * Math.PI);
    ctx.stroke();
  };

  const clear = (): void => {
    inkCtx.clearRect(0, 0, SIDE, SIDE);
    isImage = false;
    paint();
  };

  const moveTo = (nextX: number, nextY: number): void => {
    if (isDown) {
      if (isImage) clear();
      inkCtx.strokeStyle = "#ffffff";
      inkCtx.lineWidth = PEN;
      inkCtx.lineCap = inkCtx.lineJoin = "round";
      inkCtx.beginPath();
      inkCtx.moveTo(x, y);
      inkCtx.lineTo(nextX, nextY);
      inkCtx.stroke();
    }
    [x, y] = [nextX, nextY];
    paint();
    if (isDown) onDraw(normalize(ink));
  };

  const moveToPointer = (event: PointerEvent): void => {
    const box = element.getBoundingClientRect();
    moveTo(((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE);
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    [isDown, isKeyboard] = [false, false];
    moveToPointer(event);
    isDown = true;
    moveToPointer(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) moveToPointer(event);
  });
  element.addEventListener("lostpointercapture", () => {
    isDown = false;
  });

  const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
    ArrowLeft: [-8, 0],
    ArrowRight: [8, 0],
    ArrowUp: [0, -8],
    ArrowDown: [0, 8],
  };
  element.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (arrow === undefined && event.key !== " ") return;
    event.preventDefault();
    isKeyboard = true;
    if (event.key === " ") isDown = !isDown;
    const within = (value: number): number => Math.min(SIDE, Math.max(0, value));
    moveTo(within(x + (arrow?.[0] ?? 0)), within(y + (arrow?.[1] ?? 0)));
  });
  element.addEventListener("blur", () => {
    [isDown, isKeyboard] = [false, false];
    paint();
  });

  clear();
  return {
    element,
    clear() {
      clear();
      onDraw(new Float32Array(IMAGE * IMAGE));
    },
    show(pixels) {
      clear();
      const image = new ImageData(IMAGE, IMAGE);
      pixels.forEach((value, i) => {
        image.data.set([255, 255, 255, 255 * value], 4 * i);
      });
      const small = h("canvas", { width: IMAGE, height: IMAGE });
      small.getContext("2d")!.putImageData(image, 0, 0);
      inkCtx.drawImage(small, 0, 0, SIDE, SIDE);
      isImage = true;
      paint();
    },
  };
}

/** As the digits of MNIST were made: fitted into 20 × 20 pixels, and its center of mass put in the middle of 28 × 28. */
function normalize(ink: HTMLCanvasElement): Float32Array {
  const box = boundsOf(ink);
  const small = h("canvas", { width: IMAGE, height: IMAGE });
  const ctx = small.getContext("2d", { willReadFrequently: true })!;
  ctx.imageSmoothingQuality = "high";
  if (box === undefined) return new Float32Array(IMAGE * IMAGE);
  const scale = DIGIT / Math.max(box.width, box.height);
  const [width, height] = [box.width * scale, box.height * scale];
  const drawAt = (left: number, top: number): Float32Array => {
    ctx.clearRect(0, 0, IMAGE, IMAGE);
    ctx.drawImage(ink, box.left, box.top, box.width, box.height, left, top, width, height);
    const { data } = ctx.getImageData(0, 0, IMAGE, IMAGE);
    return Float32Array.from({ length: IMAGE * IMAGE }, (_, i) => data[4 * i + 3]! / 255);
  };
  const [left, top] = [(IMAGE - width) / 2, (IMAGE - height) / 2];
  let [sum, sumX, sumY] = [0, 0, 0];
  drawAt(left, top).forEach((value, i) => {
    sum += value;
    sumX += value * ((i % IMAGE) + 0.5);
    sumY += value * (Math.floor(i / IMAGE) + 0.5);
  });
  if (sum === 0) return new Float32Array(IMAGE * IMAGE);
  return drawAt(left + IMAGE / 2 - sumX / sum, top + IMAGE / 2 - sumY / sum);
}

/** The rectangle that holds everything drawn. */
function boundsOf(ink: HTMLCanvasElement): { left: number; top: number; width: number; height: number } | undefined {
  const { data } = ink.getContext("2d")!.getImageData(0, 0, SIDE, SIDE);
  let [left, right, top, bottom] = [SIDE, -1, SIDE, -1];
  for (let i = 0; i < SIDE * SIDE; i++) {
    if (data[4 * i + 3]! < 32) continue;
    const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  return right < 0 ? undefined : { left, top, width: right - left + 1, height: bottom - top + 1 };
}
