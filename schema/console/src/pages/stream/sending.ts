// A command that the reader sends: first tried, then sent under one id.
import { newId, submit } from "../../api.js";
import type { CommandType } from "../../schema.js";

export interface Outcome {
  __typename: string;
  commandId: string;
  version?: number;
  stage?: string;
  code?: string;
  message?: string;
  events?: { type: string; position: string }[];
  proposed?: { type: string; data: Record<string, unknown> }[];
  problems?: { path: string[]; message: string }[];
}

const OUTCOME = `
  __typename commandId
  ... on CommandApplied { version events { type position } }
  ... on CommandValid { version proposed: events { type data } }
  ... on CommandRejected { code message }
  ... on CommandForbidden { code message }
  ... on CommandFailed { code message }
  ... on CommandInvalid { problems { path message } }
  ... on CommandConflict { message }
  ... on VersionConflict { message }
  ... on CommandPending { stage }`;

/** The outcome of a command; with `validateOnly`, what it would be. */
export async function sent(command: CommandType, input: unknown, validateOnly: boolean): Promise<Outcome> {
  const document = `mutation ConsoleSend($input: ${command.input}!, $options: CommandOptions) {
    ${command.name}(input: $input, options: $options) { ${OUTCOME} }
  }`;
  return (await submit(command.name, document, input, { commandId: newId(), validateOnly })) as Outcome;
}

export function inWords(outcome: Outcome): string {
  const { code, message, problems, version, stage } = outcome;
  switch (outcome.__typename) {
    case "CommandValid":
      return `It would be applied. The stream would have version ${version}.`;
    case "CommandApplied":
      return `It was applied. The stream has version ${version}.`;
    case "CommandInvalid":
      return `It is invalid: ${problems!.map((one) => `${one.path.join(".")} ${one.message}`).join("; ")}.`;
    case "CommandPending":
      return `It is stored and waits (${stage}).`;
    case "CommandFailed":
      return `The code of the domain failed on it: ${message}`;
    default:
      return `It is refused: ${[code, message].filter(Boolean).join(": ")}.`;
  }
}
