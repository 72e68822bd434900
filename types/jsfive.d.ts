declare module "jsfive" {
  /** An open HDF5 file. */
  export class File {
    constructor(bytes: ArrayBuffer);
    get(path: string): unknown;
  }
}
