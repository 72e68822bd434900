// The ABI of the nadam binary.

export { nadam_f32 } from "../optim/nadam";
