import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // The worker loads parts of Lanewise on demand, which only ES modules can.
  worker: { format: "es" },
});
