import { useEffect, useState } from "preact/hooks";

import { Column } from "@intervene/client/wire";
import type { Durations, GetOverviewResponse, OverviewPeriod } from "@intervene/client/wire";

import { refusalText } from "../desk/refusal.js";
import { hashOf } from "../desk/route.js";
import { instantOf } from "../desk/ticker.js";
import { useSnapshot, useValue } from "../desk/value.js";
import { dateTime, dayAndMonth, duration, hour, number, percent } from "../words/format.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { columnName } from "./contact.js";
import { useDesk } from "./desk_context.js";
import { Plot } from "./plot.js";
import type { Series } from "./plot.js";
import { Undelivered } from "./undelivered.js";
import { Waiting } from "./waiting.js";

/** How often the figures are asked for, in milliseconds. */
const every = 30_000;

/** Overview is how the workspace does, for supervisors: from the engine's own figures. */
export function Overview() {
  const desk = useDesk();
  const { figures, problem, ask } = useFigures();
  const board = useSnapshot(useValue(desk.board));
  const [span, setSpan] = useState<"hours" | "days">("hours");
  if (!desk.supervises) {
    return (
      <main id="work" class="overview" data-testid="overview">
        <h2>{t("place.overview")}</h2>
        <p role="status">{t("overview.forSupervisors")}</p>
        <a href={hashOf({ place: "board", conversationId: "" })}>{t("overview.toBoard")}</a>
      </main>
    );
  }
  if (!figures) {
    return (
      <main id="work" class="overview">
        <p role="status">{problem || t("loading")}</p>
        {problem !== "" && <Button label={t("retry")} icon="retry" onClick={ask} />}
      </main>
    );
  }
  const periods = figures[span];
  const label = ({ begin }: OverviewPeriod) => (span === "hours" ? hour(instantOf(begin)) : dayAndMonth(instantOf(begin)));
  const one = (name: string, tone: Series["tone"], of: (period: OverviewPeriod) => number | undefined): Series => ({
    name,
    tone,
    values: periods.map(of),
  });
  const labels = periods.map(label);
  return (
    <main id="work" class="overview" data-testid="overview">
      <header class="overview-head">
        <h2>{t("place.overview")}</h2>
        <div class="segments small" role="group" aria-label={t("overview.span")}>
          <button type="button" aria-pressed={span === "hours"} onClick={() => setSpan("hours")}>
            {t("overview.hours")}
          </button>
          <button type="button" aria-pressed={span === "days"} onClick={() => setSpan("days")}>
            {t("overview.days")}
          </button>
        </div>
        <p class="faint">
          {t("overview.asOf", { at: dateTime(instantOf(figures.asOf)) })} {figures.catchingUp && t("overview.catchingUp")}{" "}
          {figures.completeSince && t("overview.completeSince", { at: dateTime(instantOf(figures.completeSince)) })}
        </p>
        {problem !== "" && (
          <p class="problem" role="status">
            {problem}
          </p>
        )}
      </header>
      <div class="tiles">
        {[Column.ACTIVE, Column.REQUESTING, Column.INTERVENED].map((column) => {
          const counter = board.column(column).counter;
          return (
            <section key={column} class={`tile column-${column}`}>
              <h3>{columnName(column)}</h3>
              <p class="figure">{number(counter?.conversations ?? 0)}</p>
              <p class="faint">
                {column === Column.REQUESTING && counter?.oldestWaitingSince ? (
                  <>
                    {t("overview.longest")} <Waiting since={counter.oldestWaitingSince} precisely />
                  </>
                ) : (
                  t("column.unread", { n: Number(counter?.unread ?? 0n) })
                )}
              </p>
            </section>
          );
        })}
        <Rate periods={periods} />
      </div>
      <div class="plots">
        <Plot
          title={t("overview.volume")}
          labels={labels}
          show={number}
          bars
          whole
          series={[
            one(t("overview.conversations"), "a", ({ conversations }) => Number(conversations)),
            one(t("overview.asked"), "b", ({ asked }) => Number(asked)),
          ]}
        />
        <Plot title={t("overview.rate")} labels={labels} show={percent} series={[one(t("overview.rate"), "b", share)]} />
        <Plot title={t("overview.waiting")} labels={labels} show={duration} series={durations(periods, ({ waiting }) => waiting)} />
        <Plot title={t("overview.holding")} labels={labels} show={duration} series={durations(periods, ({ holding }) => holding)} />
        <Plot
          title={t("overview.ends")}
          labels={labels}
          show={number}
          bars
          whole
          series={[
            one(t("overview.interventions"), "a", ({ interventions }) => Number(interventions)),
            one(t("overview.resolutions"), "c", ({ resolutions, autoResolutions }) => Number(resolutions + autoResolutions)),
            one(t("overview.dismissals"), "b", ({ dismissals, withdrawals }) => Number(dismissals + withdrawals)),
          ]}
        />
      </div>
      <Undelivered asOf={figures} />
    </main>
  );
}

function share({ conversations, asked }: OverviewPeriod): number | undefined {
  return conversations === 0n ? undefined : Number(asked) / Number(conversations);
}

function Rate({ periods }: { periods: readonly OverviewPeriod[] }) {
  const conversations = periods.reduce((sum, period) => sum + Number(period.conversations), 0);
  const asked = periods.reduce((sum, period) => sum + Number(period.asked), 0);
  return (
    <section class="tile">
      <h3>{t("overview.rate")}</h3>
      <p class="figure">{conversations === 0 ? "–" : percent(asked / conversations)}</p>
      <p class="faint">{t("overview.rateOf", { asked, n: conversations })}</p>
    </section>
  );
}

function durations(periods: readonly OverviewPeriod[], of: (period: OverviewPeriod) => Durations | undefined): Series[] {
  const values = (which: "median" | "ninthDecile") =>
    periods.map((period) => {
      const duration = of(period)?.[which];
      return duration && Number(duration.seconds) * 1000 + duration.nanos / 1e6;
    });
  return [
    { name: t("overview.median"), tone: "a", values: values("median") },
    { name: t("overview.ninth"), tone: "b", values: values("ninthDecile") },
  ];
}

/** useFigures asks for the figures as long as somebody looks. */
function useFigures() {
  const desk = useDesk();
  const [figures, setFigures] = useState<GetOverviewResponse>();
  const [problem, setProblem] = useState("");
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    let stale = false;
    const ask = async () => {
      if (document.visibilityState === "hidden" || !desk.supervises) {
        return;
      }
      try {
        const answer = await desk.client.api.getOverview({});
        if (!stale) {
          setFigures(answer);
          setProblem("");
        }
      } catch (error) {
        if (!stale) {
          setProblem(refusalText(error, desk.directory.names.get()));
        }
      }
    };
    void ask();
    const timer = setInterval(() => void ask(), every);
    return () => {
      stale = true;
      clearInterval(timer);
    };
  }, [desk, asked]);
  return { figures, problem, ask: () => setAsked(asked + 1) };
}
