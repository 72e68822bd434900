// The ABI of the muon binary.

export { muon_f32, muon_scratch_bytes } from "../optim/muon";
