/**
 * Prints "passed failed" of one of vitest's JSON reports to stdout, and the name and first lines of each failure to
 * stderr.
 *
 *     node scripts/test-counts.mjs build/test-results.json
 */
import { readFileSync } from "node:fs";

const LINES = 12;
const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const file of report.testResults) {
  const failures = file.assertionResults.filter((test) => test.status === "failed");
  for (const test of failures) complain(`${file.name}: ${test.fullName}`, test.failureMessages.join("\n"));
  if (file.status === "failed" && failures.length === 0) complain(file.name, file.message);
}
console.log(report.numPassedTests, report.numFailedTests);

function complain(name, message) {
  console.error(`!! ${name}\n   ${message.split("\n").slice(0, LINES).join("\n   ")}`);
}
