// Bundles the programs of tests/ into build/, with the client from src/. The types are checked by tsc.
import { build } from "esbuild";

await build({
  entryPoints: ["bank.ts", "dom.ts", "closes.test.ts", "gateways.test.ts", "hooks.test.tsx"].map((name) => `tests/${name}`),
  outdir: "build",
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  jsx: "automatic",
  alias: {
    "@commander/client": "./src/index.ts",
    "@commander/client/ws": "./src/ws.ts",
    "@commander/client/react": "./src/react.ts",
  },
  outExtension: { ".js": ".mjs" },
});
