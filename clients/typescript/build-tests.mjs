// Bundles the programs of tests/ into build/, with the client from src/. The types are checked by tsc.
import { build } from "esbuild";

await build({
  entryPoints: ["tests/bank.ts", "tests/gateways.test.ts"],
  outdir: "build",
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  alias: {
    "@commander/client": "./src/index.ts",
    "@commander/client/ws": "./src/ws.ts",
    "@commander/client/react": "./src/react.ts",
  },
  outExtension: { ".js": ".mjs" },
});
