import type { Random } from "lanewise/nn";

const GRAVITY = 9.8;
const CART_MASS = 1;
const POLE_MASS = 0.1;
const HALF_LENGTH = 0.5;
const FORCE = 10;
const SECONDS = 0.02;
const LARGEST_ANGLE = (12 * Math.PI) / 180;
const LARGEST_POSITION = 2.4;

/** Position and velocity of the cart, angle and angular velocity of the pole. */
export type State = readonly [x: number, v: number, angle: number, spin: number];

/** An upright pole on a cart, a little off balance. */
export function start(random: Random): State {
  const small = () => 0.1 * random.uniform() - 0.05;
  return [small(), small(), small(), small()];
}

/** Pushes the cart to the left (0) or to the right (1) for 1/50 s (Barto, Sutton & Anderson 1983; Euler's method). */
export function push([x, v, angle, spin]: State, action: number): State {
  const force = action === 1 ? FORCE : -FORCE;
  const mass = CART_MASS + POLE_MASS;
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const thrust = (force + POLE_MASS * HALF_LENGTH * spin ** 2 * sin) / mass;
  const turn = (GRAVITY * sin - cos * thrust) / (HALF_LENGTH * (4 / 3 - (POLE_MASS * cos ** 2) / mass));
  const acceleration = thrust - (POLE_MASS * HALF_LENGTH * turn * cos) / mass;
  return [x + SECONDS * v, v + SECONDS * acceleration, angle + SECONDS * spin, spin + SECONDS * turn];
}

/** The pole is more than 12° off, or the cart has left the track. */
export function hasFallen([x, , angle]: State): boolean {
  return Math.abs(x) > LARGEST_POSITION || Math.abs(angle) > LARGEST_ANGLE;
}
