// Examples for a row that exists: its id is that of the row which an example made last.
import { useEffect } from "react";
import { useGraphiQL } from "@graphiql/react";

const made = new Map(); // the prefix of a stream, such as "account-", to the key of the stream that was last

// Notes the streams that commands were decided on, anywhere in a response.
export function noteStreams(value, examples) {
  if (value === null || typeof value !== "object") return;
  if (typeof value.stream === "string") {
    const example = examples.find(({ row }) => row && value.stream.startsWith(row.streams));
    if (example) made.set(example.row.streams, value.stream.slice(example.row.streams.length));
  }
  Object.values(value).forEach((inner) => noteStreams(inner, examples));
}

// Fills the variables of an example when its tab is opened, unless the reader wrote another id.
export function FillRows({ examples }) {
  const tab = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.id);
  const editor = useGraphiQL((state) => state.variableEditor);
  useEffect(() => {
    const text = editor?.getValue() ?? "";
    for (const { row } of examples) {
      const key = row && made.get(row.streams);
      if (key === undefined || key === null) continue;
      const [begin, before, old] = text.match(new RegExp(`("${row.field}":\\s*)("[^"]*"|[\\d.-]+)`)) ?? [];
      if (!begin || !filled(row).has(old)) continue;
      const value = old.startsWith('"') ? JSON.stringify(key) : key;
      filled(row).add(value);
      editor.setValue(text.replace(begin, () => before + value));
      return;
    }
  }, [tab, editor]);
  return null;
}

const values = new Map(); // the prefix of a stream to the values that no reader wrote

function filled({ streams, value }) {
  if (!values.has(streams)) values.set(streams, new Set([JSON.stringify(value)]));
  return values.get(streams);
}
