// Browsers: options in the query, the report posted to the server that the page came from.
import * as lanewise from "lanewise";
import * as nn from "lanewise/nn";
import { program } from "../program.mjs";

const { id, ...options } = JSON.parse(decodeURIComponent(location.search.slice(1)));
let report;
try {
  report = await program(lanewise, nn, options);
} catch (error) {
  report = { error: String(error?.stack ?? error) };
}
await fetch(`/report/${id}`, { method: "POST", body: JSON.stringify(report) });
