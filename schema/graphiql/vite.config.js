import { defineConfig } from "vite";

// What the page loads gets hashed names under dist/assets, so it can be cached for good;
// schema/http/graphiql_page.py reads the manifest to find the entry. Relative URLs let Python choose where to serve them.
export default defineConfig({
  base: "./",
  build: {
    manifest: "manifest.json",
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      input: "src/main.js",
      checks: { moduleLevelDirective: false }, // "use client" in the libraries means nothing here
    },
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: false,
    chunkSizeWarningLimit: 4096, // kB: Monaco is one large chunk
  },
  worker: { format: "es" },
});
