/** Milliseconds that a state may take to come; a slow machine does not meet it. */
export const patience = 30_000;

/** How often is looked whether a state has come, in milliseconds. */
const look = 50;

/** Waits until there is what is waited for. */
export async function until<T>(what: string, find: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + patience;
  for (;;) {
    const found = await find();
    if (found !== undefined && found !== false) {
      return found;
    }
    if (Date.now() > end) {
      throw new Error(`${what} did not come`);
    }
    await new Promise((resolve) => setTimeout(resolve, look));
  }
}
