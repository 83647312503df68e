// The subscriptions of this page, at most one for each tab of GraphiQL, and what came from them.
//
// Memory is bounded: a feed keeps its newest items up to a number and a size, and the oldest feeds are stopped
// when too many run, because each holds a connection.
import { follow } from "#stream";

export const MOST_ITEMS = 500;
const MOST_CHARACTERS = 4_000_000; // of the kept items of one feed
const MOST_RUNNING = 3; // of the six connections that a browser opens to one server
const DRAWN_EVERY_MS = 100;

export class Feed {
  #controller = new AbortController();
  #watchers = new Set();
  #timer = null;
  #characters = 0;
  #number = 0;
  #lost = null;
  entries = []; // the oldest first: {key, at, number, text} of an item, {key, at, note} of a break
  received = 0;
  dropped = 0;
  state = { name: "connecting" };
  paused = null; // the entries and the count when the reader paused
  version = 0;

  constructor(options) {
    const onItem = (text) => this.#add(text);
    const onState = (state) => this.#enter(state);
    this.over = follow({ ...options, signal: this.#controller.signal, onItem, onState });
  }

  get isRunning() {
    return this.state.name !== "ended";
  }

  get shown() {
    return this.paused?.entries ?? this.entries;
  }

  stop() {
    this.#controller.abort();
  }

  pause() {
    this.paused = this.paused ? null : { entries: [...this.entries], received: this.received };
    this.#draw();
  }

  clear() {
    this.entries = [];
    this.received = this.dropped = this.#characters = 0;
    this.paused = this.paused && { entries: [], received: 0 };
    this.#draw();
  }

  // For useSyncExternalStore: many items that come at once are drawn once.
  watch = (watcher) => {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  };

  #add(text) {
    this.received += 1;
    this.#keep({ number: this.received, text });
    this.#draw();
  }

  #enter(state) {
    if (state.name === "waiting") this.#lost ??= new Date();
    if (state.name === "live" && this.#lost !== null) {
      const how = state.resumed ? "It goes on behind the last item." : "It has no cursor, so it began again.";
      this.#keep({ note: `Reconnected after a break at ${clock(this.#lost)}. ${how}` });
      this.#lost = null;
    }
    this.state = state;
    this.#draw();
  }

  #keep(entry) {
    this.entries.push({ key: ++this.#number, at: new Date(), ...entry });
    this.#characters += entry.text?.length ?? 0;
    while (this.entries.length > MOST_ITEMS || (this.#characters > MOST_CHARACTERS && this.entries.length > 1)) {
      const { text } = this.entries.shift();
      if (text === undefined) continue;
      this.dropped += 1;
      this.#characters -= text.length;
    }
  }

  #draw() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.version += 1;
      this.#watchers.forEach((watcher) => watcher());
    }, DRAWN_EVERY_MS);
  }
}

const feeds = new Map();
const watchers = new Set();
const changed = () => watchers.forEach((watcher) => watcher());

export const feedOf = (tab) => feeds.get(tab);

export function watchFeeds(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

// A new feed in place of the one that the tab had.
export function start(tab, options) {
  remove(tab);
  const running = [...feeds.values()].filter((feed) => feed.isRunning);
  running.slice(0, Math.max(0, running.length - MOST_RUNNING + 1)).forEach((feed) => feed.stop());
  const feed = new Feed(options);
  feeds.set(tab, feed);
  changed();
  return feed;
}

export function remove(tab) {
  feeds.get(tab)?.stop();
  if (feeds.delete(tab)) changed();
}

export function keepOnly(tabs) {
  [...feeds.keys()].filter((tab) => !tabs.includes(tab)).forEach(remove);
}

export const clock = (time) => time.toLocaleTimeString("en-GB");
