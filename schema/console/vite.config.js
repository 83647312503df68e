import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

// What the page loads gets hashed names under dist/assets, so it can be cached for good;
// schema/http/console_page.py reads the manifest to find the entry. Relative URLs let Python choose where to serve them.
export default defineConfig({
  base: "./",
  resolve: {
    alias: { "@client": fileURLToPath(new URL("../../clients/typescript/src", import.meta.url)) },
    dedupe: ["graphql-ws"], // the client's source has no packages of its own
  },
  build: {
    manifest: "manifest.json",
    license: { fileName: "licenses.md" },
    rolldownOptions: { input: "src/main.tsx" },
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: false,
  },
});
