import { render } from "preact";

import { App } from "./app.js";
import { preferences } from "./desk/preferences.js";
import { chooseLanguage, speak } from "./words/words.js";
import "./style/style.css";

document.documentElement.dataset["theme"] = preferences.get().theme;
const root = document.getElementById("app");
if (!root) {
  throw new Error("the page has no place for the app");
}

/** Without words there is nothing to show: they are asked for until they come. */
async function start(place: HTMLElement): Promise<void> {
  try {
    await speak(chooseLanguage(preferences.get().language), () => false);
  } catch {
    setTimeout(() => void start(place), 1_000);
    return;
  }
  render(<App />, place);
}

void start(root);
