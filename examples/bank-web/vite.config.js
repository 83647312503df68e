import { defineConfig } from "vite";

// The page and the API have one origin here, as behind a gateway. COMMANDER_URL is where the API runs.
const proxy = { "/graphql": { target: process.env.COMMANDER_URL ?? "http://localhost:8000", ws: true } };

export default defineConfig({ server: { proxy }, preview: { proxy } });
