// workerd: options in the request, the report as the response.
import * as lanewise from "lanewise";
import * as nn from "lanewise/nn";
import { program } from "../program.mjs";

export default {
  async fetch(request) {
    try {
      return Response.json(await program(lanewise, nn, await request.json()));
    } catch (error) {
      return Response.json({ error: String(error?.stack ?? error) });
    }
  },
};
