import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import preact from "@preact/preset-vite";

const HERE = fileURLToPath(new URL("tests/", import.meta.url));

/** The tests of what needs no browser, bundled for Node, whose own runner runs them. */
export default defineConfig({
  plugins: [preact({ devToolsEnabled: false, prefreshEnabled: false })],
  ssr: { noExternal: true },
  build: {
    ssr: true,
    outDir: "../../build/web-tests", // not below node_modules, where the runner of Node 22 finds none
    emptyOutDir: true,
    target: "node20",
    rollupOptions: {
      input: Object.fromEntries(readdirSync(HERE).filter((name) => name.endsWith(".test.ts")).map((name) => [name.slice(0, -3), `${HERE}${name}`])),
      output: { entryFileNames: "[name].mjs" },
    },
  },
});
