// The page of a trial: shown in place of its method's, by the part of the address behind the #.
"use strict";

(() => {
  const { element, enhance } = mirrorBench.table;
  const method = document.getElementById("method");
  const article = document.getElementById("trial");
  const title = document.title;
  const NAMES = {
    n_folds: "folds",
    fit_seconds: "fit, s",
    embed_seconds: "embedding, s",
    peak_memory_mb: "memory, MB",
    step_flops: "FLOP per step",
    data: "fingerprint of the data",
    code: "fingerprint of the method's source",
  };
  let trials = null;
  let broken = false;

  const said = (value) => (value === null ? "-" : typeof value === "object" ? JSON.stringify(value) : String(value));

  const list = (entries, className) =>
    element("dl", { className }, ...Object.entries(entries).map(([name, value]) =>
      element("div", {}, element("dt", {}, NAMES[name] ?? name), element("dd", {}, said(value)))));

  const grid = (caption, headers, rows) => {
    const numeric = headers.map((_, i) => rows.every((row) => row[i] === null || typeof row[i] === "number"));
    const cell = (value, i) => {
      const kind = i === 0 ? "name" : numeric[i] ? "number" : "text";
      const made = element(i === 0 ? "th" : "td", { className: said(value).length > 32 ? `${kind} long` : kind }, said(value));
      if (i === 0) made.scope = "row";
      made.dataset.value = value ?? "";
      return made;
    };
    const head = headers.map((text, i) => {
      const made = element("th", { scope: "col", className: numeric[i] ? "number" : "text" }, text);
      made.dataset.kind = numeric[i] ? "number" : "text";
      return made;
    });
    const body = rows.map((row) => element("tr", {}, ...row.map(cell)));
    const table = element("table", { className: "grid" }, element("caption", {}, element("span", {}, caption)),
      element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
    const scroll = element("div", { className: "scroll", role: "region", tabIndex: 0, "aria-label": caption }, table);
    const whole = element("div", {}, scroll);
    enhance(table, false);
    return whole;
  };

  const copying = (text) => {
    const button = element("button", { type: "button" }, "Copy");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
      }
    });
    return button;
  };

  const ofTask = (task) => {
    const counts = [[task.n_patients, "test patients"], [task.n_events, "events"]]
      .filter(([count]) => count !== null)
      .map(([count, what]) => `${count} ${what}`);
    const name = task.page ? element("a", { href: `../${task.page}` }, task.task) : task.task;
    const parts = [
      element("h3", {}, name),
      element("p", {}, [task.status, ...counts, task.reason].filter(Boolean).join(" · ")),
      grid(`Scores of this trial on ${task.task}`, ["metric", "better", "value", "why there is none"], task.scores),
    ];
    return element("section", {}, ...parts);
  };

  const searched = (search) => {
    const fields = [...new Set(search.candidates.flatMap((candidate) => Object.keys(candidate.config)))];
    const rows = search.candidates.map((candidate, i) => [
      i === search.chosen ? `${i + 1}, chosen` : `${i + 1}`,
      ...fields.map((field) => candidate.config[field] ?? null),
      candidate.value, candidate.reason, candidate.seconds,
    ]);
    const caption = `Candidates of the search, judged inside the training patients on ${search.criterion}`;
    return element("section", {}, element("h2", {}, "Search"),
      grid(caption, ["candidate", ...fields, search.metric, "why there is none", "s"], rows));
  };

  const render = (trial) => {
    const heading = element("h1", { tabIndex: -1 }, `Trial ${trial.key}`);
    const back = element("p", {}, element("a", { href: "#trials" }, `← All of ${method.dataset.method}`));
    const curves = mirrorBench.curves.panels([trial]);
    const { fold, seed } = trial.facts;
    article.replaceChildren(
      back, heading,
      element("p", { className: "verdict" }, `${method.dataset.method} on ${trial.facts.cohort}, fold ${fold} (from 0), seed ${seed}`),
      list(trial.facts, "facts"),
      element("section", {}, element("h2", {}, "Scores and predictions"), ...trial.tasks.map(ofTask)),
      ...(curves.length
        ? [element("section", {}, element("h2", {}, "Training"), element("div", { className: "panels" }, ...curves))]
        : []),
      element("section", {}, element("h2", {}, "Do it again"),
        element("p", {}, "RESULTS is the folder of the results. It compares every score with the recorded one, to the last bit."),
        element("pre", { tabIndex: 0, role: "region", "aria-label": "Command" }, trial.command), copying(trial.command)),
      ...(trial.search ? [searched(trial.search)] : []),
      element("section", {}, element("h2", {}, trial.search ? "Configuration that the search began with" : "Configuration"), list(trial.config, "settings")),
      element("section", {}, element("h2", {}, "Versions"), list(trial.versions, "settings")),
    );
    document.title = `Trial ${trial.key} · ${title}`;
    return heading;
  };

  const explain = (text) => {
    const heading = element("h1", { tabIndex: -1 }, text);
    article.replaceChildren(heading, element("p", {}, element("a", { href: "#trials" }, `← All of ${method.dataset.method}`)));
    return heading;
  };

  const route = () => {
    const key = location.hash.startsWith("#trial-") ? location.hash.slice("#trial-".length) : null;
    method.hidden = key !== null;
    article.hidden = key === null;
    if (key === null) {
      document.title = title;
      article.replaceChildren();
      if (!location.hash.startsWith("#?")) document.getElementById(location.hash.slice(1))?.scrollIntoView();
      return;
    }
    if (trials === null && !broken) {
      explain("Loading");
      return;
    }
    const trial = trials?.find((one) => one.key === key);
    const missing = broken ? `${method.dataset.source} could not be loaded` : "There is no such trial";
    const heading = trial ? render(trial) : explain(missing);
    scrollTo(0, 0);
    heading.focus({ preventScroll: true });
  };

  const overview = () => {
    const section = document.getElementById("curves");
    const groups = new Map();
    for (const trial of trials.filter((one) => Object.keys(one.curves).length)) {
      const { cohort, protocol, budget } = trial.facts;
      const name = `${cohort}, protocol ${protocol}, budget ${budget}`;
      groups.set(name, [...(groups.get(name) ?? []), trial]);
    }
    [...groups].forEach(([name, members], i) => {
      const panels = element("div", { className: "panels" }, ...mirrorBench.curves.panels(members));
      section.append(element("details", { open: i === 0 }, element("summary", {}, name), panels));
    });
    section.hidden = groups.size === 0;
  };

  // Of k points of n epochs, the i-th is of this one.
  const drawnOver = ([first, n, values]) => ({
    epochs: values.map((_, i) => first + Math.floor((i * (n - 1)) / Math.max(values.length - 1, 1))),
    values,
  });

  // A trial with what it shares with others.
  const whole = (trial, shared) => ({
    ...trial,
    facts: { ...shared[trial.setting], ...trial.facts },
    config: shared[trial.config],
    versions: shared[trial.versions],
    curves: Object.fromEntries(Object.entries(trial.curves).map(([name, curve]) => [name, drawnOver(curve)])),
    tasks: trial.tasks.map((task) => {
      const reasons = new Map(task.reasons);
      const scores = shared[task.metrics].map((metric, i) => [
        ...metric, task.values[i], reasons.has(i) ? shared[reasons.get(i)] : "",
      ]);
      return { ...shared[task.of], scores };
    }),
  });

  // What `benchmark.show.html.trials.packed` packed.
  const unpacked = (text) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  };

  mirrorBench.load = async (text) => {
    const { shared, trials: recorded } = await unpacked(text);
    trials = recorded.map((trial) => whole(trial, shared));
    overview();
    route();
  };

  addEventListener("hashchange", route);
  route();
  const script = element("script", { src: method.dataset.source });
  script.addEventListener("error", () => {
    broken = true;
    route();
  });
  document.head.append(script);
})();
