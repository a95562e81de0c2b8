import { Code, ConnectError } from "@connectrpc/connect";

import { newId, reasonOf } from "@intervene/client";

import { FileError } from "./files.js";

/** How long a command is tried again whose answer was lost, and the pauses between, in milliseconds. */
export const commandPatience = 30_000;
const firstPause = 500;
const longestPause = 5_000;
/** Milliseconds that one attempt may take. */
export const attemptTimeout = 15_000;

const temporary: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.ResourceExhausted,
  Code.Canceled,
  Code.Unknown,
]);

/** Whether nobody can tell what became of a call, or it was turned away for now: with the same command_id it may be made again. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof FileError) {
    return error.why === "unreachable";
  }
  return !(error instanceof ConnectError) || (temporary.has(error.code) && reasonOf(error)?.reason !== "DISK_FULL");
}

export function isSignedOut(error: unknown): boolean {
  return (
    (error instanceof ConnectError && error.code === Code.Unauthenticated) || (error instanceof FileError && error.why === "signed out")
  );
}

/** command makes a call under one command_id until it is answered: it takes effect once, however often it is made. */
export async function command<T>(call: (commandId: string, timeoutMs: number) => Promise<T>): Promise<T> {
  const commandId = newId();
  const end = Date.now() + commandPatience;
  for (let pause = firstPause; ; pause = Math.min(pause * 2, longestPause)) {
    try {
      return await call(commandId, attemptTimeout);
    } catch (error) {
      if (!isTemporary(error) || Date.now() + pause > end) {
        throw error;
      }
      await rest(pause * (0.5 + Math.random()));
    }
  }
}

export function rest(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
