declare module "mnist" {
  /** The samples of each digit, 0 to 9. */
  const digits: { readonly length: number; readonly raw: readonly number[] }[];
  export default digits;
}
