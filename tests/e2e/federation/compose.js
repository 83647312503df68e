// Composes the subgraphs on standard input, [{ name, url, sdl }, …], with three tools. Prints what each says, as JSON.
import { text } from "node:stream/consumers";

import { composeServices } from "@apollo/composition";
import { composeServices as composeWithHive } from "@theguild/federation-composition";
import { federateSubgraphs, ROUTER_COMPATIBILITY_VERSION_ONE } from "@wundergraph/composition";
import { parse } from "graphql";

const subgraphs = JSON.parse(await text(process.stdin));
const parsed = () => subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) }));
const messages = (errors) => (errors ?? []).map(({ message }) => message);

const apollo = composeServices(parsed());
const hive = composeWithHive(parsed());
const cosmo = federateSubgraphs({
  subgraphs: parsed().map(({ name, url, typeDefs }) => ({ name, url, definitions: typeDefs })),
  version: ROUTER_COMPATIBILITY_VERSION_ONE,
});
console.log(
  JSON.stringify({
    "@apollo/composition": {
      errors: messages(apollo.errors),
      warnings: messages(apollo.hints),
      supergraph: apollo.supergraphSdl,
    },
    "@theguild/federation-composition": { errors: messages(hive.errors), supergraph: hive.supergraphSdl },
    "@wundergraph/composition": { errors: messages(cosmo.errors), warnings: messages(cosmo.warnings) },
  }),
);
