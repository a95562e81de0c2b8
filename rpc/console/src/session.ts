import { Role } from "@intervene/client/wire";

import { learnTime } from "./desk/ticker.js";

/** Session is who works here. The token is nowhere in the page: a cookie that no script can read stands for it. */
export interface Session {
  readonly workspaceId: string;
  readonly agentId: string;
  readonly name: string;
  readonly role: Role;
  /** The workspace's channels. */
  readonly channels: readonly string[];
  /** Agents may intervene where nobody asked for a person. */
  readonly takeoverFromActive: boolean;
  /** Agents may send templates to whom they have no conversation with. */
  readonly writeFirst: boolean;
  /** Milliseconds since 1970; Infinity: it does not end by itself. */
  readonly expiresAt: number;
}

/** SignInError says why there is no session. */
export class SignInError extends Error {
  override readonly name = "SignInError";

  constructor(readonly why: "unknown" | "forbidden" | "busy" | "unreachable") {
    super(`no session: ${why}`);
  }
}

const path = "/v1/session";
/** Milliseconds that an answer may take. */
const patience = 15_000;

/** Asks who has the session of this browser. */
export async function currentSession(): Promise<Session> {
  const answer = await request("GET");
  return read((await answer.json()) as Readonly<Record<string, unknown>>);
}

/** Exchanges a token for a session. */
export async function signIn(token: string): Promise<Session> {
  await request("POST", JSON.stringify({ token }));
  return currentSession();
}

/** The tabs of this browser, which have one session. */
const tabs = new BroadcastChannel("intervene.session");

/** Calls the listener when another tab has ended the session. The answer ends it. */
export function onSignOut(listener: () => void): () => void {
  tabs.addEventListener("message", listener);
  return () => tabs.removeEventListener("message", listener);
}

/** Ends the session, in all tabs. */
export async function signOut(): Promise<void> {
  try {
    await request("DELETE");
  } catch (error) {
    if (!(error instanceof SignInError) || error.why !== "unknown") {
      throw error;
    }
  }
  tabs.postMessage("signed out");
}

async function request(method: string, body?: string): Promise<Response> {
  const answer = await attempt(method, body);
  learnTime(answer.headers.get("Date"));
  if (answer.ok) {
    return answer;
  }
  switch (answer.status) {
    case 400:
    case 401:
      throw new SignInError("unknown");
    case 403:
      throw new SignInError("forbidden");
    case 429:
      throw new SignInError("busy");
    default:
      throw new SignInError("unreachable");
  }
}

async function attempt(method: string, body: string | undefined): Promise<Response> {
  try {
    const content = body === undefined ? {} : { body, headers: { "Content-Type": "application/json" } };
    return await fetch(path, { method, signal: AbortSignal.timeout(patience), ...content });
  } catch {
    throw new SignInError("unreachable");
  }
}

function read(answer: Readonly<Record<string, unknown>>): Session {
  const text = (name: string) => (typeof answer[name] === "string" ? answer[name] : "");
  const role = Role[text("role").replace("ROLE_", "") as keyof typeof Role];
  const { channels, policy } = answer as { channels?: unknown; policy?: Readonly<Record<string, unknown>> };
  const expiresAt = Date.parse(text("expires_at"));
  return {
    workspaceId: text("workspace"),
    agentId: text("id"),
    name: text("name"),
    role: role ?? Role.AGENT,
    channels: Array.isArray(channels) ? channels.map(String) : [],
    takeoverFromActive: policy?.["takeover_from_active"] === true,
    writeFirst: policy?.["write_first"] === true,
    expiresAt: Number.isNaN(expiresAt) ? Number.POSITIVE_INFINITY : expiresAt,
  };
}
