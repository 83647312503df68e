// A button that asks before it acts, and says what will happen.
import { useRef, useState } from "react";
import { ask } from "../../api.js";

interface ActionProps {
  label: string;
  /** What it is about, for those who do not see the row. */
  about: string;
  /** What will happen. */
  what: string;
  document: string;
  variables: Record<string, unknown>;
  done?: () => void;
}

export function Action({ label, about, what, document, variables, done }: ActionProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [state, setState] = useState<"asking" | "acting" | Error>("asking");
  const open = () => {
    setState("asking");
    dialog.current!.showModal();
  };
  const act = async () => {
    setState("acting");
    try {
      await ask(document, variables);
      dialog.current?.close();
      done?.();
    } catch (error) {
      setState(error as Error);
    }
  };
  return (
    <>
      <button type="button" onClick={open} aria-label={`${label} ${about}`}>
        {label}
      </button>
      <dialog ref={dialog} aria-label={`${label} ${about}`}>
        <h3>
          {label} {about}?
        </h3>
        <p>{what}</p>
        {state instanceof Error && <p role="alert">{state.message}</p>}
        <div className="choices">
          <button type="button" onClick={() => dialog.current!.close()}>
            Cancel
          </button>
          <button type="button" className="sure" disabled={state === "acting"} onClick={() => void act()}>
            {label}
          </button>
        </div>
      </dialog>
    </>
  );
}
