// The ABI of the regression binary: losses of the distance between output and target.

export { huber_f32, mean_absolute_error_f32, mean_squared_error_f32 } from "./regression";
