import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

import { learnMore, t } from "../words/words.js";

/**
 * later is a part of the page that is loaded, with its words, when it is first wanted:
 * most agents never open it. What stands in its place until then is meanwhile's. The
 * engine may have been replaced since the page was loaded, and its parts with it; then
 * the page is to be loaded anew.
 */
export function later<P extends object>(
  load: () => Promise<ComponentType<P>>,
  meanwhile: (props: P) => ComponentChildren = () => t("loading"),
): ComponentType<P> {
  let loaded: ComponentType<P> | undefined;
  return function Later(props: P) {
    const [failed, setFailed] = useState(false);
    const [, paint] = useState(loaded !== undefined);
    useEffect(() => {
      if (!loaded) {
        const come = (part: ComponentType<P>) => {
          loaded = part;
          paint(true);
        };
        Promise.all([load(), learnMore()]).then(
          ([part]) => come(part),
          () => setFailed(true),
        );
      }
    }, []);
    if (loaded) {
      const Part = loaded;
      return <Part {...props} />;
    }
    return (
      <p class="later" role="status">
        {failed ? (
          <button type="button" class="more" onClick={() => location.reload()}>
            {t("connection.reload")}
          </button>
        ) : (
          meanwhile(props)
        )}
      </p>
    );
  };
}
