// Hooks for React. The stores and commands are those of a client.
import { useCallback, useRef, useState, useSyncExternalStore } from "react";
import type { Live, Snapshot } from "./live.js";

/** The rows of a store, kept right. `useRows(client.live.accounts({ where }))` may be called in each render. */
export function useRows<Row>(store: Live<Row>): Snapshot<Row> {
  return useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);
}

/** How the newest call of a command stands. */
export type Sending<Outcome> =
  | { state: "idle" }
  | { state: "sending" }
  | { state: "settled"; outcome: Outcome }
  | { state: "failed"; error: unknown };

/** A command and how it stands: `const [deposit, sending] = useCommand(client.commands.deposit)`. */
export function useCommand<Given extends unknown[], Outcome>(
  command: (...given: Given) => Promise<Outcome>,
): [(...given: Given) => Promise<Outcome>, Sending<Outcome>] {
  const [sending, setSending] = useState<Sending<Outcome>>({ state: "idle" });
  const newest = useRef(0);
  const run = useCallback(
    (...given: Given) => {
      const number = (newest.current += 1);
      const set = (state: Sending<Outcome>) => {
        if (number === newest.current) setSending(state);
      };
      set({ state: "sending" });
      const outcome = command(...given);
      outcome.then(
        (known) => set({ state: "settled", outcome: known }),
        (error: unknown) => set({ state: "failed", error }),
      );
      return outcome;
    },
    [command],
  );
  return [run, sending];
}
