// Hooks for React. The stores and commands are those of a client.
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { newId, type Outcome, type SendOptions } from "./commands.js";
import { OutcomeUnknown } from "./errors.js";
import type { Live, Snapshot } from "./live.js";

/**
 * The rows of a store, kept right. `useRows(client.live.accounts({ where }))` may be called in each render.
 *
 * order: as `sort` takes it. Rows are sorted again if they change, or if it is another function.
 */
export function useRows<Row>(store: Live<Row>, order?: (a: Row, b: Row) => number): Snapshot<Row> {
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);
  return useMemo(
    () => (order ? { ...snapshot, rows: [...snapshot.rows].sort(order) } : snapshot),
    [snapshot, order],
  );
}

/** How the newest call of a command stands. */
export type Sending<Known> =
  | { state: "idle" }
  | { state: "sending" }
  | { state: "settled"; outcome: Known }
  | { state: "failed"; error: unknown };

export interface Keeping {
  /**
   * A name. The newest call, with its id, is kept under it as JSON until its outcome is known. A component that finds one
   * there sends it again under the same id, with endless patience: after a reload of the page it is still decided once.
   */
  keep?: string;
  /** Where it is kept. By default sessionStorage, which a tab has for itself. */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">;
}

/** A command and how it stands: `const [deposit, sending] = useCommand(client.commands.deposit)`. */
export function useCommand<Input, Options extends SendOptions, Known extends Outcome>(
  command: (input: Input, options?: Options) => Promise<Known>,
  { keep, storage }: Keeping = {},
): [(input: Input, options?: Options) => Promise<Known>, Sending<Known>] {
  const [sending, setSending] = useState<Sending<Known>>({ state: "idle" });
  const newest = useRef(0);
  const run = useCallback(
    (input: Input, given?: Options) => {
      const number = (newest.current += 1);
      const set = (state: Sending<Known>) => {
        if (number === newest.current) setSending(state);
      };
      const options = { ...given, commandId: given?.commandId ?? newId() } as Options;
      const { signal: _, ...lasting } = options;
      const forget = keep === undefined ? () => {} : kept(keep, [input, lasting], storage);
      set({ state: "sending" });
      const outcome = command(input, options);
      outcome.then(
        (known) => {
          if (known.__typename !== "CommandPending") forget();
          set({ state: "settled", outcome: known });
        },
        (error: unknown) => {
          if (!(error instanceof OutcomeUnknown)) forget();
          set({ state: "failed", error });
        },
      );
      return outcome;
    },
    [command, keep, storage],
  );
  useEffect(() => {
    const text = keep === undefined ? null : (storage ?? sessionStorage).getItem(keep);
    if (!text) return;
    const [input, options] = JSON.parse(text) as [Input, Options];
    run(input, { ...options, patienceMs: Infinity }).catch(() => {}); // `sending` tells
  }, [run, keep, storage]);
  return [run, sending];
}

/** Keeps a call under a name. Returns what forgets it, unless another call has come there. */
function kept(name: string, call: unknown, storage: Keeping["storage"]): () => void {
  const text = JSON.stringify(call);
  const at = storage ?? sessionStorage;
  at.setItem(name, text);
  return () => {
    if (at.getItem(name) === text) at.removeItem(name);
  };
}
