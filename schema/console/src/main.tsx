import { createRoot } from "react-dom/client";
import { App } from "./App.js";
import { showTheme } from "./theme.js";
import "./style.css";

showTheme();
createRoot(document.getElementById("console")!).render(<App />);
