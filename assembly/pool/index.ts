// The ABI of the pool binary: pooling and resizing of images, and their gradients.

export { average_pool_backward_f32, average_pool_f32, max_pool_backward_f32, max_pool_f32 } from "./pool";
export {
  resize_bilinear_backward_f32, resize_bilinear_f32, resize_nearest_backward_f32, resize_nearest_f32,
} from "./resize";
