/** The repository's address, such as https://github.com/owner/name, for the day when it is public; empty until then. */
export const REPOSITORY = "";

/**
 * What follows from a repository's address: where its files can be read, and the site on GitHub Pages that has
 * `build/docs` and `build/playground`. Each ends in a slash and is undefined as long as there is no repository.
 */
export function addressesOf(repository) {
  if (repository === "") return { source: undefined, site: undefined };
  const [owner, name] = new URL(repository).pathname.slice(1).split("/");
  return { source: `${repository}/blob/main/`, site: `https://${owner}.github.io/${name}/` };
}
