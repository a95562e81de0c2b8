import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { bearer, Client } from "../src/index.js";

/**
 * What an example needs of its environment: INTERVENE_URL, where the edge is, and
 * INTERVENE_TOKEN, who calls. `intervene demo` prints a token to use.
 */
export function connect(): { client: Client; disconnect: () => void } {
  const baseUrl = process.env["INTERVENE_URL"] ?? "http://127.0.0.1:8080";
  const token = process.env["INTERVENE_TOKEN"] ?? "";
  const sessionManager = new Http2SessionManager(baseUrl, { pingIntervalMs: 5_000 });
  const transport = createConnectTransport({
    httpVersion: "2",
    baseUrl,
    sessionManager,
    useBinaryFormat: true,
    interceptors: [bearer(token)],
  });
  return { client: new Client(transport), disconnect: () => sessionManager.abort() };
}

/** The first argument, or an end with a word on what it should be. */
export function argument(what: string): string {
  const [, , given] = process.argv;
  if (given === undefined) {
    process.stderr.write(`give ${what}\n`);
    process.exit(2);
  }
  return given;
}
