const COLORS = ["#2563eb", "#ea580c"];

/** Draws the classes that the model predicts, and the samples over them. */
export function draw(canvas, { samples, map }) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const [w, h] = [width / map.size, height / map.size];
  context.globalAlpha = 0.3;
  for (const [i, label] of map.classes.entries()) {
    context.fillStyle = COLORS[label];
    context.fillRect((i % map.size) * w, Math.floor(i / map.size) * h, w, h);
  }
  context.globalAlpha = 1;
  for (const [i, [x, y]] of samples.x.entries()) {
    context.fillStyle = COLORS[samples.y[i]];
    context.beginPath();
    context.arc(x * width, y * height, 5, 0, 2 * Math.PI);
    context.fill();
  }
}

/** A sentence about the model. */
export function describe({ samples, epochs, accuracy, error }) {
  if (error !== undefined) return error;
  return `${samples.y.length} samples, ${epochs} epochs, accuracy ${accuracy === undefined ? "–" : accuracy.toFixed(2)}`;
}

/** Where a canvas was clicked, from (0, 0) at the top left to (1, 1). */
export function pointOf({ clientX, clientY, target }) {
  const { left, top, width, height } = target.getBoundingClientRect();
  return [(clientX - left) / width, (clientY - top) / height];
}
