// Browsers: as call-command.mjs, for `openPage`.
import { programs } from "./calls.mjs";

globalThis.call = ({ program, ...request }) => programs[program](request);
