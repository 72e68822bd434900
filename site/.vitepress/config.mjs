import { existsSync } from "node:fs";
import { defineConfig } from "vitepress";
import { BASE } from "../relative-base.mjs";

const pages = new URL("../pages", import.meta.url);
const guide = (text, name) => ({ text, link: `/docs/guide/${name}` });

export default defineConfig({
  title: "Lanewise",
  description: "Neural networks in JavaScript: Wasm SIMD, the same bits everywhere",
  srcDir: "pages",
  head: [["link", { rel: "icon", href: `${BASE}icon.svg` }]],
  lastUpdated: false,
  vite: { logLevel: "warn" },
  // Formulas such as `<layer>.<name>` are text.
  markdown: { html: false, attrs: { disable: true } },
  themeConfig: {
    search: {
      provider: "local",
      options: {
        miniSearch: {
          searchOptions: {
            // Guides first: decisions are for contributors, and every optimizer's page says what all of them inherit.
            boostDocument: (page) => (/decisions|CHANGELOG/.test(page) ? 0.2 : /\/api\//.test(page) ? 0.4 : 1),
          },
        },
      },
    },
    outline: "deep",
    nav: [
      { text: "Start", link: "/" },
      guide("Networks", "networks"),
      { text: "Playground", link: "/playground" },
      { text: "API", link: "/api/" },
      { text: "Results", link: "/bench/RESULTS" },
    ],
    sidebar: [
      {
        text: "Guides",
        items: [
          { text: "Start here in three minutes", link: "/" },
          guide("Train a network", "networks"),
          guide("Save and load models", "models"),
          guide("Save and resume training", "checkpoints"),
          guide("In a worker", "in-a-worker"),
          guide("At the edge", "cloudflare-workers"),
          guide("Coming from another library", "coming-from"),
          guide("Speed up TensorFlow.js", "tfjs"),
          guide("Optimizers by name", "optimizers"),
          guide("Which RMSProp is this?", "which-rmsprop"),
          guide("Distributed training", "distributed"),
          guide("Command line", "cli"),
        ],
      },
      {
        text: "Where it runs",
        items: [
          guide("Browsers", "browsers"),
          guide("Node", "node"),
          guide("Deno", "deno"),
          guide("Bun", "bun"),
          guide("Cloudflare Workers", "cloudflare-workers"),
          guide("Vercel Edge", "vercel-edge"),
          guide("Jest, TypeScript, Parcel", "tools"),
        ],
      },
      {
        text: "Speed",
        items: [
          guide("Threads", "threads"),
          guide("Wide mode and relaxed arithmetic", "wide"),
          { text: "Results", link: "/bench/RESULTS" },
          { text: "Benchmarks", link: "/bench/README" },
        ],
      },
      {
        text: "Reference",
        items: [
          { text: "API", link: "/api/" },
          { text: "Terminology", link: "/docs/terminology" },
          { text: "Reliability", link: "/docs/reliability" },
          { text: "Security", link: "/SECURITY" },
          { text: "Examples", link: "/examples/README" },
          { text: "Architecture", link: "/docs/architecture" },
          { text: "Contributing", link: "/CONTRIBUTING" },
          { text: "Changelog", link: "/CHANGELOG" },
        ].filter(({ link }) => link.endsWith("/") || existsSync(`${pages.pathname}${link}.md`)),
      },
    ],
  },
});
