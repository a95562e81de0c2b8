import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

/** Milliseconds that a process may take to start, and to stop; a slow machine meets neither. */
const startTimeout = 60_000;
const stopTimeout = 30_000;

const appSecret = "secret of the app";
const phoneNumberId = "106540352242922";
const businessId = "102290129340398";

export const tokens = { asha: "token-of-asha", ben: "token-of-ben", sam: "token-of-sam", ada: "token-of-ada", robot: "token-of-robot" } as const;
const roles: Record<keyof typeof tokens, string> = {
  asha: "ROLE_AGENT",
  ben: "ROLE_AGENT",
  sam: "ROLE_SUPERVISOR",
  ada: "ROLE_ADMIN",
  robot: "ROLE_BOT",
};

/** The repository, from wherever this was compiled to. */
const repository = (function above(folder: string): string {
  return existsSync(join(folder, "go.mod")) ? folder : above(dirname(folder));
})(import.meta.dirname);

/** What a customer writes. */
export interface Written {
  readonly waId: string;
  readonly name: string;
  readonly text: string;
}

/** Setting is what of an engine's configuration is not as usual. */
export interface Setting {
  /** A flow of one's own for the bot, as YAML; left out: the one that is embedded. */
  readonly flow?: string;
  /** What agents of the workspace may do, as the configuration has it. */
  readonly handoff?: Readonly<Record<string, boolean>>;
  /** Another channel beside the one that customers write to. */
  readonly otherChannel?: string;
}

/** Engine is a real one, with the stand-in for Meta beside it, both on loopback at ports that the system chose. */
export class Engine {
  readonly #folder = mkdtempSync(join(tmpdir(), "intervene-client-"));
  /** INTERVENE names one that is built already. */
  readonly #binary = process.env["INTERVENE"] ?? join(this.#folder, "intervene");
  #graph: Child | undefined;
  #engine: Child | undefined;
  /** Carries what the stand-in delivers to wherever the engine is. */
  #relay: Server | undefined;
  #listen = "127.0.0.1:0";
  #wrote = 0;

  private constructor(readonly setting: Setting) {}

  static async start(setting: Setting = {}): Promise<Engine> {
    const engine = new Engine(setting);
    try {
      engine.#build();
      engine.#relay = await relay(() => engine.baseUrl);
      engine.#graph = new Child(engine.#binary, ["graph", "--listen", "127.0.0.1:0", "--webhook-url", `${addressOf(engine.#relay)}${webhookPath}`], {
        WA_APP_SECRET: appSecret,
        WA_ACCESS_TOKEN: "token-of-the-number",
      });
      await engine.#graph.ready();
      await engine.restart();
      return engine;
    } catch (error) {
      await engine.stop();
      throw error;
    }
  }

  #build(): void {
    if (process.env["INTERVENE"] === undefined) {
      execFileSync("go", ["build", "-trimpath", "-o", this.#binary, "./cmd/intervene"], {
        cwd: repository,
        env: { ...process.env, CGO_ENABLED: "0" }, // as make builds it
        stdio: ["ignore", "ignore", "inherit"],
      });
    }
  }

  get baseUrl(): string {
    return `http://${this.#listen}`;
  }

  /** Ends the engine: SIGKILL as a crash would, SIGTERM lets it drain. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    await this.#engine?.stop(signal);
    this.#engine = undefined;
  }

  /** Starts the engine, or ends it as a crash would and starts it again on the same disk and port. */
  async restart(): Promise<void> {
    await this.end("SIGKILL");
    const file = join(this.#folder, "intervene.yaml");
    writeFileSync(join(this.#folder, flowFile), this.setting.flow ?? "");
    writeFileSync(file, configuration(this.#listen, await this.graphUrl(), this.setting));
    this.#engine = new Child(this.#binary, ["serve", "--config", file], {});
    this.#listen = await this.#engine.ready();
  }

  async graphUrl(): Promise<string> {
    return `http://${await this.#graph?.ready()}`;
  }

  /** Tells the stand-in for Meta something. */
  async standIn(path: string, body: object): Promise<void> {
    const answer = await fetch(`${await this.graphUrl()}/_standin/${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) {
      throw new Error(`the stand-in answered ${answer.status}: ${await answer.text()}`);
    }
  }

  /** Asks the engine to drain, and starts another one when it has ended. */
  async replace(): Promise<void> {
    await this.end("SIGTERM");
    await this.restart();
  }

  /** Lets a customer write, as Meta would tell of it. */
  receive(waId: string, name: string, text: string): Promise<void> {
    return this.receiveAll([{ waId, name, text }]);
  }

  /** Lets many customers write, in one webhook. */
  async receiveAll(all: readonly Written[]): Promise<void> {
    const body = JSON.stringify({
      object: "whatsapp_business_account",
      entry: [{ id: businessId, changes: all.map((written) => ({ field: "messages", value: this.#value(written) })) }],
    });
    const signature = createHmac("sha256", appSecret).update(body).digest("hex");
    const answer = await fetch(this.baseUrl + webhookPath, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json", "X-Hub-Signature-256": `sha256=${signature}` },
    });
    if (answer.status !== 200) {
      throw new Error(`webhook was answered ${answer.status}`);
    }
  }

  #value({ waId, name, text }: Written) {
    this.#wrote++;
    return {
      messaging_product: "whatsapp",
      metadata: { display_phone_number: "15550199", phone_number_id: phoneNumberId },
      contacts: [{ profile: { name }, wa_id: waId }],
      messages: [
        {
          from: waId,
          id: `wamid.client-${this.#wrote}`,
          timestamp: String(Math.floor(Date.now() / 1000)),
          type: "text",
          text: { body: text },
        },
      ],
    };
  }

  /** Ends everything that was started. */
  async stop(): Promise<void> {
    await this.end("SIGTERM");
    await this.#graph?.stop("SIGTERM");
    this.#relay?.closeAllConnections();
    this.#relay?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const webhookPath = "/webhooks/whatsapp/main";

const flowFile = "flow.yaml";

function configuration(listen: string, graphUrl: string, { flow, handoff, otherChannel }: Setting): string {
  const channel = (id: string, number: string) => ({
    id,
    whatsapp: { app: "main", phone_number_id: number, waba_id: businessId, access_token: { value: "token-of-the-number" } },
  });
  const callers = Object.entries(tokens).map(([id, token]) => ({
    id,
    role: roles[id as keyof typeof tokens],
    sha256: createHash("sha256").update(token).digest("hex"),
  }));
  // YAML holds all of JSON.
  return JSON.stringify({
    listen,
    admin_listen: "127.0.0.1:0",
    data_dir: "data",
    whatsapp_apps: [{ id: "main", verify_token: { value: "verify" }, app_secrets: [{ value: appSecret }], graph_base_url: graphUrl }],
    workspaces: [
      {
        id: "acme",
        channels: [channel("acme-main", phoneNumberId), ...(otherChannel ? [channel(otherChannel, "106540352242923")] : [])],
        tokens: callers,
        ...(handoff && { handoff }),
        ...(flow !== undefined && { bot: { flow: flowFile } }),
      },
    ],
  });
}

/** Child is one process, whose log is read for where it listens. */
class Child {
  readonly #process: ChildProcess;
  readonly #ready: Promise<string>;
  readonly #ended: Promise<unknown>;
  readonly #log: string[] = [];

  constructor(binary: string, args: string[], env: Record<string, string>) {
    this.#process = spawn(binary, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    this.#ended = once(this.#process, "exit");
    // Whatever ends this process ends the child.
    process.once("exit", this.#kill);
    this.#ready = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${args[0]} did not start: ${this.#log.join("\n")}`)), startTimeout);
      for (const stream of [this.#process.stdout, this.#process.stderr]) {
        createInterface({ input: stream as NodeJS.ReadableStream }).on("line", (line) => {
          this.#log.push(line);
          const address = /(?:serves http:\/\/|"listen":")(127\.0\.0\.1:\d+)/.exec(line)?.[1];
          if (address) {
            clearTimeout(timer);
            resolve(address);
          }
        });
      }
      void this.#ended.then(() => {
        clearTimeout(timer);
        reject(new Error(`${args[0]} ended: ${this.#log.join("\n")}`));
      });
    });
    this.#ready.catch(() => {}); // whoever waits is told
  }

  readonly #kill = () => {
    this.#process.kill("SIGKILL");
  };

  ready(): Promise<string> {
    return this.#ready;
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#process.kill(signal);
    const timer = setTimeout(this.#kill, stopTimeout);
    await this.#ended;
    clearTimeout(timer);
    process.off("exit", this.#kill);
  }
}

async function relay(to: () => string): Promise<Server> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const headers = { "Content-Type": "application/json", "X-Hub-Signature-256": String(request.headers["x-hub-signature-256"]) };
      fetch(to() + request.url, { method: "POST", body: Buffer.concat(chunks), headers }).then(
        (answer) => response.writeHead(answer.status).end(),
        () => response.writeHead(503).end(),
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
