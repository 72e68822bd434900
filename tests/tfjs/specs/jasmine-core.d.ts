/** What specs/ uses of jasmine-core, which has no types of its own. */
declare module "jasmine-core/lib/jasmine-core/jasmine.js" {
  interface Result {
    fullName: string;
    status: string;
    failedExpectations: { message: string }[];
  }
  interface Env {
    configure(options: { random: boolean; specFilter(spec: { getFullName(): string }): boolean }): void;
    addReporter(reporter: { specDone(result: Result): void }): void;
    execute(): Promise<unknown>;
  }
  const jasmineRequire: {
    core(required: object): { getEnv(options: { suppressLoadErrors: boolean }): Env };
    interface(jasmine: object, env: Env): object;
  };
  export default jasmineRequire;
}
