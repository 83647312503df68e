// The pages, in the order of the navigation. A link to a page is its path, below /console.
import type { ComponentType } from "react";
import { CommandPage } from "./pages/command/CommandPage.js";
import { FlowPage } from "./pages/flow/FlowPage.js";
import { LogPage } from "./pages/log/LogPage.js";
import { OperationsPage } from "./pages/operations/OperationsPage.js";
import { StreamPage } from "./pages/stream/StreamPage.js";

export interface Page {
  title: string;
  /** Where the navigation leads. */
  path: string;
  /** The addresses of the page, as wouter matches them. The page reads its parameters itself. */
  routes: string;
  view: ComponentType;
}

export const PAGES: readonly Page[] = [
  { title: "Log", path: "/log", routes: "/log/:position?", view: LogPage },
  { title: "Streams", path: "/stream", routes: "/stream/:stream?", view: StreamPage },
  { title: "Commands", path: "/command", routes: "/command/:commandId?", view: CommandPage },
  { title: "Flow", path: "/flow", routes: "/flow", view: FlowPage },
  { title: "Operations", path: "/operations", routes: "/operations/:section?", view: OperationsPage },
];
