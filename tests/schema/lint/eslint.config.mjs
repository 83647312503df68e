// graphql-eslint for a schema that Commander makes. Run it where the file schema.graphql is; see docs/api.md.
import graphql from "@graphql-eslint/eslint-plugin";

const { rules: recommended } = graphql.configs["flat/schema-recommended"];
const { rules: relay } = graphql.configs["flat/schema-relay"];

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: `${process.cwd()}/schema.graphql` } },
    },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...recommended,
      ...relay,
      // @oneOf belongs to the specification of GraphQL. The printed text only repeats its definition.
      "@graphql-eslint/require-description": [
        "error",
        { ...recommended["@graphql-eslint/require-description"][1], DirectiveDefinition: false },
      ],
      // The author of the domain names the key of a row: accountId of an Account. The same name is in its events.
      "@graphql-eslint/no-typename-prefix": "off",
      // Only what the query `node` finds has an `id`. Outcomes, edges, changes and past rows are no entities.
      "@graphql-eslint/strict-id-in-types": "off",
      // Each connection is walked both ways.
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: true }],
      "@graphql-eslint/relay-edge-types": [
        "error",
        {
          // Relay does not require it: a version of a row and a parked key are no entities.
          shouldImplementNode: false,
          // A domain has lists of values, and the events of one command are few: they need no pages.
          listTypeCanWrapOnlyEdgeType: false,
        },
      ],
    },
  },
];
