import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App.js";
import "./style.css";

const owner = new URLSearchParams(location.search).get("owner") ?? "Ada"; // `make dev` has no sign-in
createRoot(document.getElementById("root")!).render(<StrictMode children={<App owner={owner} />} />);
