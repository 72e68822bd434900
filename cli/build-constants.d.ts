// What scripts/build-cli.mjs puts in.

/** The version of the package. */
declare const VERSION: string;
/** The digest of program.mjs, computed when the package was built. */
declare const DIGEST: string;
