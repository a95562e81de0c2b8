import type { Client } from "@intervene/client";
import type { TemplateInfo } from "@intervene/client/wire";

/** How many templates of a channel are looked through at most, and how long a list is good, in milliseconds. */
const maxTemplates = 2000;
const goodFor = 10 * 60_000;

interface List {
  readonly at: number;
  readonly templates: Promise<readonly TemplateInfo[]>;
}

/** The lists of each client, by channel: as long as somebody is signed in. */
const lists = new WeakMap<Client, Map<string, List>>();

/** The templates of a channel, of whatever status. Those who ask together are answered by one call. */
export function templatesOf(client: Client, channelId: string): Promise<readonly TemplateInfo[]> {
  const known = lists.get(client) ?? new Map<string, List>();
  lists.set(client, known);
  const list = known.get(channelId);
  if (list && Date.now() - list.at < goodFor) {
    return list.templates;
  }
  const templates = load(client, channelId);
  known.set(channelId, { at: Date.now(), templates });
  templates.catch(() => known.delete(channelId)); // who asks next asks anew
  return templates;
}

async function load(client: Client, channelId: string): Promise<readonly TemplateInfo[]> {
  const all: TemplateInfo[] = [];
  let pageToken = "";
  do {
    const page = await client.api.listTemplates({ channelId, pageSize: 200, pageToken });
    all.push(...page.templates);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && all.length < maxTemplates);
  return all;
}
