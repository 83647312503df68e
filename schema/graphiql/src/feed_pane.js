// The response pane of a subscription: what came, the newest first, where it stands, and what can be done.
import { createElement as h, memo, useState, useSyncExternalStore } from "react";
import { clock, MOST_ITEMS } from "#feeds";
import { printed } from "#printing";

export function FeedPane({ feed }) {
  useSyncExternalStore(feed.watch, () => feed.version);
  const [copied, setCopied] = useState("");
  const { paused, shown } = feed;
  const behind = paused && feed.received - paused.received;
  const copy = async () => {
    setCopied((await copyText(responsesOf(shown))) ? "Copied" : "The browser does not allow it");
    setTimeout(setCopied, 2000, "");
  };
  const button = (label, onClick, title, pressed) =>
    h("button", { type: "button", className: "graphiql-button", onClick, title, "aria-pressed": pressed }, label);
  return h(
    "section",
    { className: "commander-feed", "aria-label": "Subscription" },
    h(
      "header",
      null,
      h("p", { role: "status", className: `commander-feed-${feed.state.name}` }, inWords(feed.state)),
      h("p", { className: "commander-feed-count" }, counted(feed), paused && ` Paused: ${behind} more since.`),
      h(
        "div",
        { className: "commander-feed-buttons" },
        button(paused ? "Resume" : "Pause", () => feed.pause(), "The list stands still. Items still arrive.", Boolean(paused)),
        button("Clear", () => feed.clear(), "Empty the list. The subscription goes on."),
        button(copied || "Copy", copy, "Copy the listed responses as a JSON array, the oldest first."),
        h("a", { href: "/console/log", className: "graphiql-button" }, "Console"),
        feed.isRunning && button("Stop", () => feed.stop(), "End the subscription."),
      ),
    ),
    h("ol", { tabIndex: 0, "aria-label": "Items, the newest first" }, listed(shown)),
  );
}

function listed(entries) {
  const rows = [];
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index];
    rows.push(h(entry.note ? Note : Item, { key: entry.key, entry }));
  }
  return rows;
}

const Note = memo(({ entry }) =>
  h("li", { className: "commander-feed-note" }, h("header", null, entry.note, h("time", null, clock(entry.at)))),
);

const Item = memo(({ entry }) => {
  const { title, messages, body } = summary(entry.text);
  return h(
    "li",
    { className: messages.length ? "commander-feed-error" : undefined },
    h(
      "header",
      null,
      h("span", null, `${entry.number}`),
      h("b", null, title),
      h("time", null, clock(entry.at)),
    ),
    messages.map((message, index) => h("p", { key: index }, message)),
    h("pre", null, body),
  );
});

// A subscription has one root field. Its value is the item, unless there are errors beside it.
function summary(text) {
  const response = JSON.parse(text);
  const messages = (response.errors ?? []).map((error) => error.message);
  if (messages.length) return { title: response.errors[0].extensions?.code ?? "Error", messages, body: printed(response) };
  const [[field, value]] = Object.entries(response.data);
  return { title: value?.__typename ?? field, messages, body: printed(value) };
}

function counted({ received, dropped, entries }) {
  if (received === 0) return "No item yet.";
  const all = `${received.toLocaleString("en")} ${received === 1 ? "item" : "items"}, the newest first.`;
  if (dropped === 0) return all;
  const kept = received - dropped;
  const limit = kept < MOST_ITEMS - entries.filter((entry) => entry.note).length ? " (they are large)" : "";
  return `${all} The newest ${kept} are listed${limit}, ${dropped.toLocaleString("en")} older ones were dropped.`;
}

function inWords({ name, why, waitMs }) {
  switch (name) {
    case "connecting":
      return `Connecting. ${why ?? ""}`;
    case "live":
      return "Connected. New items appear here, also while another tab is open.";
    case "waiting":
      return `Reconnecting in ${(waitMs / 1000).toFixed(waitMs < 10_000 ? 1 : 0)} s. ${why}`;
    case "ended":
      return `Ended. ${why}`;
  }
}

const responsesOf = (entries) =>
  `[${entries
    .filter((entry) => entry.text)
    .map((entry) => entry.text)
    .join(",\n")}]`;

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  // Without TLS a browser has no clipboard for pages of other hosts than localhost.
  const area = document.body.appendChild(document.createElement("textarea"));
  area.value = text;
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
