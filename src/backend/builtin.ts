/** A module of Node's, where the runtime has it; asked for at run time, so that bundlers do not look for it. */
export function builtinModule<T>(id: string): T | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(id: string): unknown } };
  return process?.getBuiltinModule?.(id) as T | undefined;
}
