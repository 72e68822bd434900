// The ABI of the dropout binary.

export { dropout_f32 } from "./dropout";
