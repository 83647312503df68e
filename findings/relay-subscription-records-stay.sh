#!/usr/bin/env bash
# Relay keeps the records of each item of a subscription, also after its end, until a retained query is released.
#
# Versions   relay-runtime 21.0.1
# Behaviour  Each item with an id of its own is a record of the store. Nothing reads an old one, and no operation retains
#            it, so it is garbage. But the collector runs only when an operation that was retained is released: neither
#            an item nor the end of the subscription starts it. A page that stays open, with a feed of
#            events, grows with every event. (The request below is what relay-compiler makes of
#            `subscription { events { id } }`.)
# Seen       before: 4
#            after 1000 items: 2004
#            after the end of the subscription: 2004
#            after a query was released: 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" relay-runtime@21.0.1 >/dev/null
cat >"$work/finding.mjs" <<'JAVASCRIPT'
import relay from "relay-runtime";

const id = { alias: null, args: null, kind: "ScalarField", name: "id", storageKey: null };
function request(kind, type, field) {
  const selected = { alias: null, args: null, kind: "LinkedField", name: field, plural: false, storageKey: null };
  const selections = [{ ...selected, concreteType: "Event", selections: [id] }];
  const name = `${field}_${kind}`;
  return {
    kind: "Request",
    fragment: { kind: "Fragment", name, type, argumentDefinitions: [], selections, abstractKey: null, metadata: null },
    operation: { kind: "Operation", name, argumentDefinitions: [], selections },
    params: { cacheID: name, id: null, metadata: {}, name, operationKind: kind, text: `${kind} { ${field} { id } }` },
  };
}
const [query, subscription] = [request("query", "Query", "newest"), request("subscription", "Subscription", "events")];

const store = new relay.Store(new relay.RecordSource(), { gcReleaseBufferSize: 0 });
let sink;
const network = relay.Network.create(
  async () => ({ data: { newest: { id: "0" } } }),
  () => relay.Observable.create((given) => void (sink = given)),
);
const environment = new relay.Environment({ network, store });
const sizes = [];
const shown = async (when) => {
  await new Promise((resolve) => setTimeout(resolve, 300));
  sizes.push(store.getSource().size());
  console.log(`${when}: ${sizes.at(-1)}`);
};
const kept = environment.retain(relay.createOperationDescriptor(relay.getRequest(query), {}));
await relay.fetchQuery(environment, query, {}).toPromise();
const running = relay.requestSubscription(environment, { subscription, variables: {} });
sink.next({ data: { events: { id: "1" } } });
await shown("before");
for (let n = 2; n <= 1001; n += 1) sink.next({ data: { events: { id: String(n) } } });
await shown("after 1000 items");
running.dispose();
await shown("after the end of the subscription");
kept.dispose();
await shown("after a query was released");
const [before, after, ended, released] = sizes;
const same = after - before >= 1000 && ended === after && released < before;
if (!same) console.error("changed");
process.exit(same ? 0 : 1);
JAVASCRIPT
node "$work/finding.mjs"
