import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";

/**
 * The domain of every google.rpc.ErrorInfo of the edge. Proxies answer, too, above
 * all while a server restarts, and what they say is not final.
 */
const errorDomain = "intervene";

/** The longest pause that a server may ask for, in milliseconds. */
export const longestAsked = 60_000;

/** Interruption is why a stream ended that is going to be opened again. */
export type Interruption = "sent away" | "silent" | "ended" | "out of order" | "restored";

const said: Record<Interruption, string> = {
  "sent away": "sent away by the server, to come back",
  silent: "no frame came in time",
  ended: "stream ended without a word",
  "out of order": "stream does not keep to its protocol",
  restored: "journal was restored to a time before what is known",
};

/** StreamError interrupts a follower, which comes back by itself. */
export class StreamError extends Error {
  override readonly name = "StreamError";

  /** after: how many milliseconds the server asked to stay away. */
  constructor(
    readonly why: Interruption,
    readonly after = 0,
  ) {
    super(said[why]);
  }
}

/** ClosedError ends a follower whose owner closed it. */
export class ClosedError extends Error {
  override readonly name = "ClosedError";

  constructor() {
    super("follower was closed");
  }
}

/**
 * RefusedError is an answer of the edge that no repetition changes. It ends a
 * follower: the token is unknown or was revoked, its role may not watch, there is
 * no such conversation, or a field is not valid.
 */
export class RefusedError extends Error {
  override readonly name = "RefusedError";

  /** reason is the edge's, such as UNAUTHENTICATED or NOT_FOUND. */
  constructor(
    readonly code: Code,
    readonly reason: string,
    override readonly cause: ConnectError,
  ) {
    super(`refused by the edge: ${reason}`);
  }
}

/** Reason is what the edge says of a refusal, for programs. */
export interface Reason {
  /** Such as HELD_BY_OTHER; the service's comment has them all. */
  readonly reason: string;
  /** Such as holder and epoch. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** reasonOf is why the edge refused a call; undefined when the error is not the edge's. */
export function reasonOf(error: unknown): Reason | undefined {
  const info = detailsOf(error, ErrorInfoSchema).find((detail) => detail.domain === errorDomain);
  return info && { reason: info.reason, metadata: info.metadata };
}

/** invalidFields names the fields of a request that the edge found not valid. */
export function invalidFields(error: unknown): string[] {
  return detailsOf(error, BadRequestSchema).flatMap((detail) => detail.fieldViolations.map((violation) => violation.field));
}

const finalCodes: ReadonlySet<Code> = new Set([
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.NotFound,
  Code.InvalidArgument,
]);

/** refusal is an error as a RefusedError if it is final, else as it is. */
export function refusal(error: unknown): Error {
  if (error instanceof ConnectError && finalCodes.has(error.code)) {
    const info = reasonOf(error);
    if (info) {
      return new RefusedError(error.code, info.reason, error);
    }
  }
  return error instanceof Error ? error : new Error("stream failed", { cause: error });
}

/** askedPause is how many milliseconds the server wants a caller to stay away; 0: it did not say. */
export function askedPause(error: unknown): number {
  if (error instanceof StreamError) {
    return bounded(error.after);
  }
  const [info] = detailsOf(error, RetryInfoSchema);
  return bounded(millisecondsOf(info?.retryDelay));
}

/** More than longestAsked is nothing that a server of ours says. */
function bounded(milliseconds: number): number {
  return Math.min(Math.max(milliseconds, 0), longestAsked);
}

export function millisecondsOf(duration: Duration | undefined): number {
  return duration ? Number(duration.seconds) * 1000 + duration.nanos / 1e6 : 0;
}

function detailsOf<Desc extends DescMessage>(error: unknown, schema: Desc): MessageShape<Desc>[] {
  const wire = error instanceof RefusedError ? error.cause : error;
  return wire instanceof ConnectError ? wire.findDetails(schema) : [];
}
