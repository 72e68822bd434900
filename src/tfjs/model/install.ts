import type { Tensor as TfTensor } from "@tensorflow/tfjs-core";
import type { Reasons } from "./convert.js";
import { fitLoop, numbersOf, readData, readDataSync, test, trainOnBatch } from "./fit.js";
import { Session, scalars } from "./session.js";
import { ENGINE_METHODS, type Engine, type FitLoopArguments, type TfModel } from "./tfjs-model.js";

/** A model whose methods compute with Lanewise where they can. */
export class Installation {
  #tf: TfModel;
  /** TensorFlow.js's own methods; undefined before they are replaced. */
  #theirs: Engine | undefined;
  #session: Session | undefined;
  #reasons: Reasons = {};
  /** What was compiled when it was last found that it cannot be converted. */
  #refused: unknown;

  /** Replaces the methods if the model can be converted. */
  constructor(tf: TfModel) {
    this.#tf = tf;
    const missing = ENGINE_METHODS.find((name) => typeof tf[name] !== "function");
    if (missing !== undefined) {
      this.#reasons = { model: `it has no ${missing}(): it is no LayersModel, or of another version` };
    } else if (this.#current() !== undefined) this.#install();
  }

  get layers(): string[] {
    if (this.#theirs === undefined || this.#current() === undefined) return [];
    return this.#tf.layers.filter((layer) => layer.getClassName() !== "InputLayer").map(({ name }) => name);
  }

  get left(): Readonly<Reasons> {
    if (this.#theirs !== undefined) this.#current();
    return this.#reasons;
  }

  /** Goes over to another model, which may not be compiled yet. */
  move(tf: TfModel): void {
    this.restore();
    this.#tf = tf;
    this.#install();
  }

  restore(): void {
    if (this.#theirs !== undefined) for (const name of ENGINE_METHODS) delete (this.#tf as Partial<Engine>)[name];
    this.#theirs = undefined;
    this.#session?.dispose();
    this.#session = undefined;
    this.#refused = undefined;
  }

  #install(): void {
    const tf = this.#tf;
    const bound = ENGINE_METHODS.map((name) => [name, (tf[name] as () => unknown).bind(tf)]);
    this.#theirs = Object.fromEntries(bound) as unknown as Engine;
    Object.assign(tf, this.#methods(this.#theirs));
  }

  /** The session for what is compiled now; undefined if it cannot be converted. */
  #current(): Session | undefined {
    const tf = this.#tf;
    if (this.#session?.fits(tf)) return this.#session;
    this.#session?.dispose();
    this.#session = undefined;
    if (this.#refused !== undefined && this.#refused === tf.metricsTensors) return undefined;
    const reasons: Reasons = {};
    this.#session = Session.open(tf, reasons);
    this.#reasons = reasons;
    this.#refused = this.#session === undefined ? tf.metricsTensors : undefined;
    return this.#session;
  }

  #methods(theirs: Engine): Engine {
    const tf = this.#tf;
    return {
      makeTrainFunction: () => {
        const otherwise = theirs.makeTrainFunction();
        return (ins) => {
          const session = this.#current();
          if (!session?.trains || ins[0]!.shape[0] === 0) return otherwise(ins);
          const data = readDataSync(tf, ins);
          if (!session.accepts(data)) return otherwise(ins);
          session.checkInputs(data.inputs);
          return trainOnBatch(session, data);
        };
      },
      makeTestFunction: () => {
        theirs.makeTestFunction();
        const otherwise = tf.testFunction;
        tf.testFunction = (ins) => {
          const session = this.#current();
          if (session === undefined || ins[0]!.shape[0] === 0) return otherwise(ins);
          const data = readDataSync(tf, ins);
          if (!session.accepts({ ...data, weights: undefined })) return otherwise(ins);
          session.checkInputs(data.inputs);
          session.attach();
          return scalars(session.test(data, 0, data.rows));
        };
      },
      testLoop: (f, ins, batchSize, verbose, steps) => {
        const session = this.#current();
        const otherwise = () => theirs.testLoop(f, ins, batchSize, verbose, steps);
        if (session === undefined || steps != null || (verbose ?? 0) > 0 || ins[0]!.shape[0] === 0) return otherwise();
        const data = readDataSync(tf, ins);
        if (!session.accepts({ ...data, weights: undefined })) return otherwise();
        session.checkInputs(data.inputs);
        session.attach();
        return scalars(test(session, data, batchSize));
      },
      predictLoop: (ins, batchSize, verbose) => {
        const session = this.#current();
        const tensors = [ins].flat() as TfTensor[];
        const rows = tensors[0]!.shape[0]!;
        if (session === undefined || verbose || rows === 0) return theirs.predictLoop(ins, batchSize, verbose);
        const inputs = tensors.map(numbersOf);
        session.checkInputs(inputs);
        session.attach();
        return session.predict(inputs, rows);
      },
      fitLoop: async (...args: FitLoopArguments) => {
        const [, ins, , , , , , validate, validationIns, shuffle, , , steps, validationSteps] = args;
        const session = this.#current();
        const isKnown = shuffle !== "batch" && steps == null && validationSteps == null && ins[0]!.shape[0]! > 0;
        if (!session?.trains || !isKnown) return theirs.fitLoop(...args);
        const data = await readData(tf, ins);
        const validates = validate != null && validationIns != null && validationIns.length > 0;
        const validation = validates ? await readData(tf, validationIns) : undefined;
        const accepted = session.accepts(data) && (validation === undefined || session.accepts(validation));
        if (!accepted) return theirs.fitLoop(...args);
        for (const each of [data, validation]) if (each !== undefined) session.checkInputs(each.inputs);
        return fitLoop(tf, session, data, validation, args);
      },
    };
  }
}
