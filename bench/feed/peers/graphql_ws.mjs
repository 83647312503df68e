// The same subscription through graphql-ws on ws and graphql-js: each event is handed to all clients.
// argv: port. POST /publish {"events", "per_second", "streams"} begins to publish and answers at once.

import { createServer } from "node:http";
import {
  GraphQLBoolean,
  GraphQLInt,
  GraphQLInterfaceType,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

const text = { type: new GraphQLNonNull(GraphQLString) };
const FeedItem = new GraphQLInterfaceType({
  name: "FeedItem",
  fields: { position: text },
  resolveType: (item) => item.kind,
});
const Event = new GraphQLInterfaceType({
  name: "Event",
  interfaces: [FeedItem],
  fields: { position: text, type: text, stream: text, version: { type: new GraphQLNonNull(GraphQLInt) } },
});
const MoneyDeposited = new GraphQLObjectType({
  name: "MoneyDeposited",
  interfaces: [FeedItem, Event],
  fields: { ...Event.toConfig().fields, accountId: text, amount: text },
});
const CaughtUp = new GraphQLObjectType({
  name: "CaughtUp",
  interfaces: [FeedItem],
  fields: { position: text },
});

/** Events waiting for one client; its iterator waits when there are none. */
class Queue {
  #events = [];
  #wake = null;
  #ended = false;

  push(event) {
    if (this.#wake === null) {
      this.#events.push(event);
    } else {
      const wake = this.#wake;
      this.#wake = null;
      wake({ value: event, done: false });
    }
  }

  next() {
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    if (this.#events.length > 0) return Promise.resolve({ value: this.#events.shift(), done: false });
    return new Promise((resolve) => (this.#wake = resolve));
  }

  return() {
    this.#ended = true;
    queues.delete(this);
    this.#wake?.({ value: undefined, done: true });
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

/** Of one stream: a queue that takes only what its client asked for. */
class FilteredQueue extends Queue {
  constructor(stream) {
    super();
    this.stream = stream;
  }

  push(event) {
    if (event.stream === this.stream || event.kind === "CaughtUp") super.push(event);
  }
}

const queues = new Set();
let published = 0;

const subscribe = (_, { stream }) => {
  const queue = stream == null ? new Queue() : new FilteredQueue(stream);
  queue.push({ kind: "CaughtUp", position: String(published) });
  queues.add(queue);
  return queue;
};

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: "Query", fields: { ok: { type: GraphQLBoolean } } }),
  subscription: new GraphQLObjectType({
    name: "Subscription",
    fields: {
      events: {
        type: new GraphQLNonNull(FeedItem),
        args: { stream: { type: GraphQLString } },
        subscribe,
        resolve: (item) => item,
      },
    },
  }),
  types: [MoneyDeposited, CaughtUp],
});

const publish = ({ events, per_second: perSecond, streams }) => {
  const began = performance.now();
  let sent = 0;
  const due = () => {
    const target = Math.min(events, Math.floor(((performance.now() - began) / 1000) * perSecond) + 1);
    for (; sent < target; sent++) {
      const account = (sent % streams) + 1;
      const accountId = `00000000-0000-0000-0000-${account.toString(16).padStart(12, "0")}`;
      published++;
      const event = {
        kind: "MoneyDeposited",
        position: String(published),
        type: "MoneyDeposited",
        stream: `account-${accountId}`,
        version: Math.floor(sent / streams) + 1,
        accountId,
        amount: "1.00",
      };
      for (const queue of queues) queue.push(event);
    }
    if (sent < events) setTimeout(due, 5);
  };
  due();
};

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    if (request.method === "POST") publish(JSON.parse(Buffer.concat(chunks).toString()));
    response.end("{}");
  });
});
useServer({ schema }, new WebSocketServer({ server, path: "/graphql" }));
server.listen(Number(process.argv[2]), "127.0.0.1");
