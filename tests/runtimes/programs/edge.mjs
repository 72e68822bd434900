// Edge functions: options in the query, the report as the response.
import * as lanewise from "lanewise";
import * as nn from "lanewise/nn";
import { program } from "../program.mjs";

export async function GET({ url }) {
  const options = JSON.parse(decodeURIComponent(new URL(url).search.slice(1)));
  return Response.json(await program(lanewise, nn, options));
}
