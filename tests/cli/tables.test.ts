// Training on CSV files of real data, predicting with what was saved, and looking into the file.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "csv-parse/sync";
import { createCore } from "lanewise";
import { readSafetensors, writeSafetensors } from "lanewise/checkpoint";
import { dense, loadModel, relu, Sequential, saveModel } from "lanewise/nn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Column } from "../../cli/columns.js";

const root = new URL("../../", import.meta.url);
const command = fileURLToPath(new URL("dist/cli/lanewise.js", root));
const folder = mkdtempSync(join(tmpdir(), "lanewise-tables-"));
const at = (name: string) => join(folder, name);

function lanewise(...args: string[]): SpawnSyncReturns<string> {
  return lanewiseAt({}, ...args);
}

function lanewiseAt(env: NodeJS.ProcessEnv, ...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [command, ...args], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

/** Writes rows as CSV, with quotes around every cell of text. */
function writeCsv(name: string, rows: readonly Record<string, unknown>[], delimiter = ","): void {
  const columns = Object.keys(rows[0]!);
  const cell = (value: unknown) => (typeof value === "string" ? `"${value.replaceAll('"', '""')}"` : `${value ?? ""}`);
  const lines = rows.map((row) => columns.map((column) => cell(row[column])).join(delimiter));
  writeFileSync(at(name), `${columns.map(cell).join(delimiter)}\n${lines.join("\n")}\n`);
}

function readJson<Data>(name: string): Data {
  return JSON.parse(readFileSync(new URL(`node_modules/vega-datasets/data/${name}.json`, root), "utf8")) as Data;
}

type Car = { Miles_per_Gallon: number | null; Horsepower: number | null; Name: string };
const cars = readJson<Car[]>("cars");
const penguins = readJson<Record<string, unknown>[]>("penguins");

beforeAll(() => {
  writeCsv("cars.csv", cars);
  writeCsv("penguins.csv", penguins, ";");
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a regression: the miles per gallon of cars", () => {
  const train = ["train", "--data", "cars.csv", "--target", "Miles_per_Gallon"];
  let report: ReturnType<typeof JSON.parse>;

  beforeAll(() => {
    const { status, stdout, stderr } = lanewise(...train, "--save", "cars.safetensors", "--json");
    expect([status, stderr]).toEqual([0, ""]);
    report = JSON.parse(stdout);
  });

  it("is found from the column, and uses the others", () => {
    const known = cars.filter((car) => car.Miles_per_Gallon !== null);
    expect(report.target).toEqual({ name: "Miles_per_Gallon", task: "regression" });
    expect(report.data.rows.withoutTarget).toBe(cars.length - known.length);
    expect(report.data.rows.training + report.data.rows.validation).toBe(known.length);
    expect(report.data.rows.validation).toBe(Math.round(known.length * 0.2));
    const types = Object.fromEntries(report.data.columns.map(({ name, type }: Record<string, string>) => [name, type]));
    expect(types).toMatchObject({ Horsepower: "number", Weight_in_lbs: "number", Origin: "text" });
    expect(report.data.ignored.map(({ name }: { name: string }) => name)).toEqual(["Name"]);
    const horsepower = report.data.columns.find(({ name }: { name: string }) => name === "Horsepower");
    expect(horsepower.missing).toBe(known.filter((car) => car.Horsepower === null).length);
  });

  it("is far better than one answer for all, and stops when it does not improve", () => {
    const { meanAbsoluteError, constant, r2 } = report.quality;
    expect(meanAbsoluteError).toBeLessThan(constant / 2);
    expect(r2).toBeGreaterThan(0.75);
    expect(report.history.length).toBe(report.bestEpoch + 20);
    expect(report.units.meanAbsoluteError).toBe("unit of Miles_per_Gallon");
  });

  it("predicts the cars from the file", () => {
    const { status, stdout, stderr } = lanewise("predict", "--model", "cars.safetensors", "--data", "cars.csv");
    expect(status).toBe(0);
    const rows = parse(stdout, { columns: true }) as Record<string, string>[];
    expect(rows.map(({ Name }) => Name)).toEqual(cars.map(({ Name }) => Name.trim()));
    const errors = rows.flatMap((row, i) => {
      const actual = cars[i]!.Miles_per_Gallon;
      return actual === null ? [] : [Math.abs(actual - Number(row["predicted Miles_per_Gallon"]))];
    });
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    expect(mean).toBeLessThan(2.5);
    const text = stderr.replaceAll("\n", " ");
    expect(text).toContain("Column Horsepower has 6 empty cells: the mean of the training rows is used.");
    expect(text).toContain(
      `In ${errors.length} rows with a known Miles_per_Gallon, the mean absolute error is ${Number(mean.toPrecision(3))}.`,
    );
  });

  it("trains the same model again from the same seed, and another from another", () => {
    for (const [seed, isSame] of [
      ["0", true],
      ["1", false],
    ] as const) {
      lanewise(...train, "--seed", seed, "--save", "again.safetensors");
      const [first, again] = ["cars", "again"].map((name) => readFileSync(at(`${name}.safetensors`)));
      expect(first!.equals(again!)).toBe(isSame);
    }
  });

  it("measures on the training rows where there is no validation", () => {
    const { stdout } = lanewise(...train, "--validation", "0", "--epochs", "2", "--json");
    const { quality, data, history } = JSON.parse(stdout);
    expect([quality.measuredOn, data.rows.validation, history.length]).toEqual(["training rows", 0, 2]);
  });

  it("is a classification where that is asked for", () => {
    const args = [
      "--data",
      "cars.csv",
      "--target",
      "Cylinders",
      "--task",
      "classification",
      "--text",
      "Horsepower",
      "--ignore",
      "Year,Name",
    ];
    const { target, data, quality } = JSON.parse(lanewise("train", ...args, "--json").stdout);
    expect(target).toEqual({ name: "Cylinders", task: "classification", labels: ["3", "4", "5", "6", "8"] });
    expect(quality.accuracy).toBeGreaterThan(0.9);
    const ignored = Object.fromEntries(data.ignored.map(({ name, reason }: Record<string, string>) => [name, reason]));
    expect(ignored).toMatchObject({ Year: "as asked", Name: "as asked" });
    expect(ignored["Horsepower"]).toMatch(/^\d+ different texts, more than 50$/);
  });
});

describe("a classification: the species of penguins", () => {
  const file = ["--data", "penguins.csv", "--delimiter", ";"];

  beforeAll(() => {
    const { status, stdout } = lanewise("train", ...file, "--target", "Species", "--save", "penguins.safetensors");
    expect(status).toBe(0);
    expect(stdout).toContain("classification, 3 classes");
    expect(stdout.replaceAll("\n", " ")).toMatch(
      /The model predicts Species correctly for (9\d|100)\.\d % of 69 rows that it was not trained on\./,
    );
  });

  it("gives a label and probabilities, in CSV and JSON alike", () => {
    const predict = ["predict", "--model", "penguins.safetensors", ...file];
    const rows = parse(lanewise(...predict).stdout, { columns: true, delimiter: ";" }) as Record<string, string>[];
    const { predictions, target, units } = JSON.parse(lanewise(...predict, "--json").stdout);
    expect(target.labels).toEqual(["Adelie", "Chinstrap", "Gentoo"]);
    expect(units.probabilities).toContain("target.labels");
    expect(predictions).toHaveLength(penguins.length);
    const right = predictions.filter(({ value }: { value: string }, i: number) => value === penguins[i]!["Species"]);
    expect(right.length / penguins.length).toBeGreaterThan(0.95);
    for (const [i, { line, value, probabilities }] of predictions.entries()) {
      expect(line).toBe(i + 2);
      expect(rows[i]!["predicted Species"]).toBe(value);
      expect(Number(rows[i]!["probability"])).toBe(Math.max(...probabilities));
      expect(probabilities.reduce((a: number, b: number) => a + b)).toBeCloseTo(1, 5);
    }
  });

  it("needs no target, says which texts are new, and writes a file", () => {
    const one = { ...penguins[0], Island: "Elsewhere" } as Record<string, unknown>;
    delete one["Species"];
    writeCsv("one.csv", [one]);
    const { status, stdout, stderr } = lanewise(
      "predict",
      "--model",
      "penguins.safetensors",
      "--data",
      "one.csv",
      "--output",
      "out.csv",
    );
    expect([status, stdout]).toEqual([0, ""]);
    expect(stderr.replaceAll("\n", " ")).toBe(
      "Column Island has 1 cell with a text that the model does not know. Predicted Species for 1 row of one.csv and wrote out.csv. ",
    );
    expect(parse(readFileSync(at("out.csv")), { columns: true })).toMatchObject([
      { Island: "Elsewhere", "predicted Species": "Adelie" },
    ]);
  });

  it("is a model that loadModel takes, with the network's own answers", async () => {
    const { predictions } = JSON.parse(
      lanewise("predict", "--model", "penguins.safetensors", ...file, "--json").stdout,
    );
    using core = await createCore({ backend: "js" });
    const { model, metadata } = loadModel(core, readFileSync(at("penguins.safetensors")), { layers: { dense, relu } });
    const { columns } = (metadata as unknown as { table: { columns: Column[] } }).table;
    const x = columns.flatMap((column) => {
      const cell = penguins[0]![column.name];
      if (column.type === "text") return column.values.map((value) => +(value === cell));
      return [((cell as number) - column.scaler.mean[0]!) / column.scaler.deviation[0]!];
    });
    expect([...model.predictProbabilities(x)]).toEqual(predictions[0].probabilities);
  });
});

describe("what is wrong is named", () => {
  it.each<[string, string, string[], string]>([
    [
      "a cell that is no number",
      "x,y\n1,2\n3,4\nfoo,6\n",
      ["--target", "x", "--task", "regression"],
      'bad.csv, line 4: column "x" is "foo"; expected a number',
    ],
    [
      "a number beyond float32",
      "x,y\n1,2\n3,4\n5,1e39\n",
      ["--target", "x"],
      'bad.csv, line 4: column "y" is "1e39"; expected a number from −3.4e38 to 3.4e38',
    ],
    [
      "a row that is short",
      "x,y\n1,2\n\n3\n",
      ["--target", "x"],
      "bad.csv, line 4: 1 cell; expected 2, as in the header",
    ],
    ["a quote that does not close", 'x,y\n1,"2\n', ["--target", "x"], "bad.csv is not valid CSV: Quote Not Closed"],
    ["two columns of one name", "x,x\n1,2\n", ["--target", "x"], 'bad.csv, line 1: two columns are named "x"'],
    ["a column without a name", "x,\n1,2\n", ["--target", "x"], "bad.csv, line 1: column 2 has no name"],
    ["an unknown target", "x,y\n1,2\n", ["--target", "z"], 'bad.csv has no column "z"; its columns are x, y'],
    [
      "an unknown column to ignore",
      "x,y\n1,2\n3,4\n5,6\n",
      ["--target", "x", "--ignore", "w"],
      'bad.csv has no column "w"',
    ],
    ["another delimiter", "x;y\n1;2\n", ["--target", "x"], 'pass --delimiter ";"'],
    [
      "a target that is always the same",
      "x,y\n1,2\n1,3\n",
      ["--target", "x"],
      'column "x" is "1" in all rows; expected two different values or more',
    ],
    [
      "nothing to predict from",
      "x,y\n1,\n2,\n3,\n",
      ["--target", "x"],
      'bad.csv has no column to predict "x" from (y: empty)',
    ],
    [
      "too few rows to validate",
      "x,y\n1,2\n2,3\n",
      ["--target", "x", "--validation", "0.1"],
      "--validation 0.1 of 2 rows is 0",
    ],
    ["an empty file", "", ["--target", "x"], "bad.csv is empty; expected a header"],
    ["a header alone", "x,y\n", ["--target", "x"], "bad.csv has no rows after the header"],
  ])("%s", (_, text, args, message) => {
    writeFileSync(at("bad.csv"), text);
    const { status, stdout, stderr } = lanewise("train", "--data", "bad.csv", ...args);
    expect(stderr).toContain(`error: `);
    expect(stderr).toContain(message);
    expect([status, stdout]).toEqual([2, ""]);
  });

  it.each<[string[], string]>([
    [["train", "--data", "none.csv", "--target", "x"], "cannot read none.csv: no such file"],
    [["train", "--data", "cars.csv"], "--data needs --target with the column of cars.csv to predict"],
    [["train", "--target", "x"], "--target needs --data with a CSV file"],
    [
      ["train", "--data", "cars.csv", "--target", "Origin", "--save", "none/x", "--epochs", "1"],
      "cannot write none/x: no such folder",
    ],
    [
      ["train", "--data", "cars.csv", "--target", "Horsepower", "--learning-rate", "1e30"],
      "try a smaller --learning-rate",
    ],
    [["predict", "--model", "cars.csv", "--data", "cars.csv"], "safetensors"],
    [
      ["predict", "--model", "cars.safetensors", "--data", "penguins.csv", "--delimiter", ";"],
      'penguins.csv has no column "Cylinders"; its columns are Species, ',
    ],
    [["inspect", "cars.csv"], "this is not a safetensors file: it begins with "],
    [["inspect", "none"], "cannot read none: no such file"],
  ])("%j", (args, message) => {
    const { status, stderr } = lanewise(...args);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(status).toBe(2);
  });

  it("a model file that was changed", async () => {
    using core = await createCore();
    const model = new Sequential(core, [dense(1, 1)]);
    const column = { name: "x", type: "number", scaler: { mean: [0], deviation: [1] } };
    const right = {
      format: 1,
      target: "y",
      task: "regression",
      columns: [column],
      scaler: { mean: [0], deviation: [1] },
    };
    writeFileSync(at("x.csv"), "x\n3\n");
    const predict = (table: unknown) => {
      writeFileSync(at("changed.safetensors"), saveModel(model, { metadata: { table } as never }));
      return lanewise("predict", "--model", "changed.safetensors", "--data", "x.csv");
    };
    expect(predict(right).status).toBe(0);
    for (const [change, message] of [
      [{ format: 2 }, "table.format is 2; expected 1"],
      [{ target: 5 }, "table.target is 5; expected a string"],
      [{ task: "magic" }, 'table.task is "magic"'],
      [{ columns: [] }, "table.columns is []"],
      [{ columns: [null] }, "table.columns[0] is null"],
      [{ columns: [column, column] }, "the network has 1 input; expected 2"],
      [{ columns: [{ ...column, type: "date" }] }, 'table.columns[0].type is "date"'],
      [{ columns: [{ name: "x", type: "text", values: ["a", "a"] }] }, "table.columns[0].values is"],
      [{ scaler: { mean: [0, 1], deviation: [1, 1] } }, "table.scaler is"],
      [{ scaler: { mean: [0], deviation: [0] } }, "deviation[0] is 0"],
      [{ labels: ["a", "b"] }, "table.labels is"],
      [{ task: "classification", labels: ["a", "b"] }, "the network has 1 output; expected 2"],
    ] as const) {
      const { status, stderr } = predict({ ...right, ...change });
      expect(stderr).toContain(message);
      expect(status).toBe(2);
    }
    writeFileSync(at("changed.safetensors"), saveModel(model));
    const { stderr } = lanewise("predict", "--model", "changed.safetensors", "--data", "x.csv");
    expect(stderr).toContain("expected a file that lanewise train --save has written");
  });
});

describe("inspect", () => {
  it("shows tensors with their figures, metadata, and what cannot be shown in none of the terminal's codes", () => {
    const tensors = [
      ["w", { shape: [2, 2], data: Float32Array.of(-1, 0.5, 2, Number.NaN) }],
      ["half", { shape: [2], data: [1, 2], dtype: "BF16" }],
      ["large", { shape: [2], data: BigInt64Array.of(-5n, 2n ** 60n) }],
      ["bad\x1b[31m\u202e", { shape: [0], data: new Uint8Array() }],
    ] as const;
    writeFileSync(at("mixed.safetensors"), writeSafetensors(tensors as never, { note: "a\x1b[2Jb" }));
    const {
      tensors: shown,
      metadata,
      elements,
      units,
      model,
    } = JSON.parse(lanewise("inspect", "mixed.safetensors", "--json").stdout);
    expect(Object.fromEntries(shown.map((tensor: { name: string }) => [tensor.name, tensor]))).toMatchObject({
      w: { dtype: "F32", shape: [2, 2], bytes: 16, statistics: { min: -1, max: 2, mean: 0.5, nonFinite: 1 } },
      half: { dtype: "BF16", statistics: { min: 1, max: 2, mean: 1.5, nonFinite: 0 } },
      large: { dtype: "I64", statistics: { min: -5, max: 2 ** 60 } },
    });
    expect([metadata.note, elements, units.bytes, model]).toEqual(["a\x1b[2Jb", 8, "bytes", null]);
    const { status, stdout } = lanewise("inspect", "mixed.safetensors");
    expect(status).toBe(0);
    expect(stdout).not.toContain("\x1b");
    expect(stdout).toContain("bad\\u{1b}[31m\\u{202e}");
    expect(stdout.replaceAll("\n", " ")).toContain("The file has 4 tensors with 8 numbers; not finite: 1 number in w.");
  });

  it("shows the layers of a model and what it predicts", () => {
    const { stdout } = lanewise("inspect", "penguins.safetensors");
    expect(stdout).toMatch(/^0\.weight +F32 +\[10, 64\]/m);
    expect(stdout).toMatch(/^2 \(dense\) +\[rows, 3\] +195$/m);
    expect(stdout).toContain("It predicts Species (classification) from Island,");
    const { model } = JSON.parse(lanewise("inspect", "penguins.safetensors", "--json").stdout);
    expect(model.table.target).toBe("Species");
  });

  it("shows the tensors of a model that is damaged, and what is wrong with it", () => {
    const { tensors, metadata } = readSafetensors(readFileSync(at("penguins.safetensors")));
    const rest = [...tensors].filter(([name]) => name !== "2.bias");
    writeFileSync(at("damaged.safetensors"), writeSafetensors(rest, metadata));
    const { status, stdout } = lanewise("inspect", "damaged.safetensors");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^2\.weight/m);
    expect(stdout).toMatch(/^model\n.*2\.bias/m);
  });
});

describe("fits the terminal", () => {
  it.each([80, 60, 40])("of %d columns", (columns) => {
    const width = { COLUMNS: `${columns}` };
    const runs = [
      ["--help"],
      ["train", "--help"],
      ["doctor"],
      ["bench", "--samples", "1", "--steps", "64", "--products", "4"],
      ["train", "--epochs", "1"],
      ["train", "--data", "cars.csv", "--target", "Origin", "--epochs", "2"],
      ["inspect", "penguins.safetensors"],
    ];
    for (const args of runs) {
      const { stdout, status } = lanewiseAt(width, ...args);
      expect(status).toBe(0);
      const long = stdout.split("\n").filter((line) => line.length > columns);
      expect(long, args.join(" ")).toEqual([]);
    }
    const { stderr } = lanewiseAt(width, "predict", "--model", "cars.safetensors", "--data", "cars.csv");
    expect(stderr.split("\n").filter((line) => line.length > columns)).toEqual([]);
  });

  it("ends each command with a sentence", () => {
    for (const args of [
      ["doctor"],
      ["bench", "--samples", "1", "--steps", "64", "--products", "4"],
      ["train", "--epochs", "1"],
      ["train", "--data", "cars.csv", "--target", "Origin", "--epochs", "2"],
      ["inspect", "penguins.safetensors"],
    ]) {
      expect(lanewise(...args).stdout, args.join(" ")).toMatch(/\.\n$/);
    }
  });
});
