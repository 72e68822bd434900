import { OptionError } from "lanewise";
import type { Task } from "./table-model.js";
import { trainDigitsCommand } from "./train-digits.js";
import { trainTable } from "./train-table.js";

/** Options of `lanewise train`. */
export interface TrainOptions {
  data?: string;
  target?: string;
  task?: Task;
  text?: string[];
  ignore?: string[];
  delimiter?: string;
  validation?: number;
  patience?: number;
  save?: string;
  epochs?: number;
  batchSize: number;
  hidden: number;
  learningRate: number;
  seed: number;
  json?: boolean;
}

/** Trains on a table, or on the digits that come with the command. Resolves to the exit code. */
export async function train({ data, ...options }: TrainOptions): Promise<number> {
  const { target, epochs, task, text, ignore, delimiter, validation, patience, save, ...common } = options;
  if (data === undefined) {
    const ofTables = { target, task, text, ignore, delimiter, validation, patience, save };
    for (const [name, value] of Object.entries(ofTables)) {
      if (value !== undefined) throw new OptionError(`--${name} needs --data with a CSV file`);
    }
    return trainDigitsCommand({ ...common, epochs: epochs ?? 20 });
  }
  if (target === undefined) throw new OptionError(`--data needs --target with the column of ${data} to predict`);
  return trainTable({
    ...common,
    data,
    target,
    delimiter: delimiter ?? ",",
    text: text ?? [],
    ignore: ignore ?? [],
    validation: validation ?? 0.2,
    patience: patience ?? 20,
    epochs: epochs ?? 300,
    ...(task && { task }),
    ...(save !== undefined && { save }),
  });
}
