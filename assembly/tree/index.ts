// The ABI of the tree binary: sums over micro-batches in the order of a binary tree.

export { tree_add_f32 } from "./tree";
