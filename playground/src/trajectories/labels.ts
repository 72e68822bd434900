/** Something to write beside a point, in pixels. */
export interface Label {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

export const LABEL_HEIGHT = 20;
/** Between a point and its label. */
const GAP = 10;

/**
 * The left and middle of each label, inside the box and none over another: beside its point, or as little above or
 * below as the others leave room for.
 */
export function placeLabels(labels: readonly Label[], box: { width: number; height: number }): [number, number][] {
  const placed: { left: number; right: number; y: number }[] = [];
  const half = LABEL_HEIGHT / 2;
  return labels.map(({ x, y, width }) => {
    const isRight = x + GAP + width <= box.width;
    const left = Math.max(0, isRight ? x + GAP : Math.min(x - GAP, box.width) - width);
    const right = left + width;
    const isFree = (at: number): boolean =>
      at >= half &&
      at <= box.height - half &&
      placed.every((other) => other.right <= left || other.left >= right || Math.abs(other.y - at) >= LABEL_HEIGHT);
    const wanted = Math.min(Math.max(y, half), box.height - half);
    let at = wanted;
    for (let away = 0; away <= box.height && !isFree(at); away++) {
      at = isFree(wanted + away) ? wanted + away : wanted - away;
    }
    placed.push({ left, right, y: at });
    return [left, at];
  });
}
