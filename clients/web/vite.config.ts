import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import preact from "@preact/preset-vite";
import license from "rollup-plugin-license";

const OUT = fileURLToPath(new URL("../../memory_service/web/static", import.meta.url));

const KEY = process.env["MEMORY_SERVICE_API_KEY"];
const SERVICE = {
  target: process.env["MEMORY_SERVICE_URL"] ?? "http://127.0.0.1:8000",
  ...(KEY ? { headers: { Authorization: `Bearer ${KEY}` } } : {}),
};

const HERE = fileURLToPath(new URL(".", import.meta.url));
const SOURCES = ["index.html", "package-lock.json", "public", "src", "tsconfig.json", "vite.config.ts"];

/** Say of which sources the build was made: a test that needs no Node compares it (tests/unit/test_web_build.py). */
const stateSources = {
  name: "state-sources",
  apply: "build" as const,
  closeBundle() {
    const files = SOURCES.flatMap((name) =>
      name.includes(".")
        ? [name]
        : readdirSync(`${HERE}${name}`, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile())
            .map((entry) => `${entry.parentPath}/${entry.name}`.slice(HERE.length)),
    ).sort();
    const hash = createHash("sha256");
    for (const file of files) hash.update(`${file}\0`).update(readFileSync(`${HERE}${file}`)).update("\0");
    writeFileSync(`${OUT}/SOURCES.sha256`, `${hash.digest("hex")}\n`);
  },
};

/** What is built lies in the Python package and is committed, so that the view works after the Python install alone. */
export default defineConfig({
  base: "/admin/",
  plugins: [preact({ devToolsEnabled: false, prefreshEnabled: false }), stateSources],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // The policy of contents allows no data: URLs for scripts, styles or fonts.
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    rollupOptions: {
      plugins: [license({ thirdParty: { output: { file: `${OUT}/THIRD_PARTY_LICENSES.txt` } } })],
    },
  },
  // While developing: a service of this machine, and its key in the environment instead of a login.
  server: { proxy: { "/v1": SERVICE, "/admin/session": SERVICE } },
});
