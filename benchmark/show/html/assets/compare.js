// Any two methods: chosen by the reader, kept in the URL, their differences as they were computed.
"use strict";

(() => {
  const { element } = mirrorBench.table;
  const SCALE = 1e4;
  const pick = document.getElementById("pick");
  const pair = document.getElementById("pair");
  let data = null;

  const number = (x) => (Math.abs(x) < 0.0005 ? "0.000" : `${x > 0 ? "+" : "-"}${Math.abs(x).toFixed(3)}`);
  const score = (x) => (x === null ? "-" : (x / SCALE).toFixed(3));

  // Where two methods stand among the pairs of a list of n, the first before the second.
  const place = (i, j, n) => (i * (2 * n - i - 1)) / 2 + (j - i - 1);

  // Of two methods in a list their place among its pairs, and whether they stand the other way round.
  const pairOf = (list, a, b) => {
    const [i, j] = [list.indexOf(a), list.indexOf(b)];
    if (i < 0 || j < 0 || i === j) return null;
    return { at: place(Math.min(i, j), Math.max(i, j), list.length), sign: i < j ? 1 : -1, i, j };
  };

  const verdict = (low, high, a, b) => {
    if (low === null) return "no interval";
    if (low > 0) return `${a} is better`;
    if (high < 0) return `${b} is better`;
    return low >= -data.rope && high <= data.rope ? `alike within ±${data.rope}` : "not told apart";
  };

  const drawn = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  // The interval between -0.2 and 0.2, zero in the middle.
  const strip = (mean, low, high) => {
    const x = (value) => 80 + Math.max(-1, Math.min(1, value / 0.2)) * 74;
    const svg = drawn("svg", { class: "strip", width: 160, height: 16, viewBox: "0 0 160 16", "aria-hidden": "true" });
    svg.append(drawn("path", { class: "reference", d: "M80 0V16" }));
    if (low !== null) svg.append(drawn("path", { class: "span", d: `M${x(low)} 8H${x(high)}` }));
    svg.append(drawn("circle", { cx: x(mean), cy: 8, r: 3.5 }));
    return svg;
  };

  const said = (mean, low, high) => `${number(mean)}${low === null ? "" : ` (${number(low)} to ${number(high)})`}`;

  const table = (caption, headers, rows) => {
    const head = headers.map((text, i) => element("th", { scope: "col", className: i ? "text" : "name" }, text));
    const body = rows.map((cells) => element("tr", {}, ...cells.map((cell, i) =>
      element(i ? "td" : "th", { className: i ? "text" : "name", ...(i ? {} : { scope: "row" }) }, cell))));
    return element("div", { className: "scroll", role: "region", tabIndex: 0, "aria-label": caption },
      element("table", { className: "grid" }, element("caption", {}, element("span", {}, caption)),
        element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)));
  };

  const overCohorts = (setting, a, b, tasks) => {
    const lines = setting.kinds.map((kind) => {
      const found = pairOf(kind.methods, setting.methods.indexOf(a), setting.methods.indexOf(b));
      const values = found && kind.pairs.slice(6 * found.at, 6 * found.at + 6);
      if (!values || !values[5]) return null;
      const [delta, one, other] = values.slice(0, 3).map((value) => (found.sign * value) / SCALE);
      const [low, high] = [Math.min(one, other), Math.max(one, other)];
      const better = found.sign > 0 ? values[3] / 1000 : 1 - values[3] / 1000;
      const own = tasks.filter((task) => task.primary && task.kind === kind.name);
      const ahead = own.filter((task) => task.mean > 0).length;
      const clear = own.filter((task) => task.low !== null && task.low > 0).length;
      return element("li", {}, element("strong", {}, kind.name),
        `: ${a} differs from ${b} by ${said(delta, low, high)} in ${kind.metric} over ${values[5]} cohorts: `,
        element("strong", {}, verdict(low, high, a, b)),
        `. Probability that ${a} is better ${better.toFixed(2)}, that the difference is within ±${data.rope} ` +
        `${(values[4] / 1000).toFixed(2)}. ${a} scores higher in ${ahead} of ${own.length} cohorts, ` +
        `shown to be better in ${clear}.`);
    }).filter(Boolean);
    return lines.length
      ? element("ul", {}, ...lines)
      : element("p", {}, "Over cohorts: no kind of task has two cohorts where both are complete.");
  };

  const compared = (setting, a, b) =>
    setting.tasks.map((task) => {
      const found = pairOf(task.methods, setting.methods.indexOf(a), setting.methods.indexOf(b));
      if (!found) return null;
      const mean = (found.sign * task.differences[found.at]) / SCALE;
      const reach = task.reach[found.at] === null ? null : task.reach[found.at] / SCALE;
      return {
        ...task, mean, low: reach === null ? null : mean - reach, high: reach === null ? null : mean + reach,
        ours: task.scores[found.i], theirs: task.scores[found.j],
      };
    }).filter(Boolean);

  const row = (task, a, b) => [
    element("a", { href: task.page }, task.task), said(task.mean, task.low, task.high),
    strip(task.mean, task.low, task.high), verdict(task.low, task.high, a, b),
    score(task.ours), score(task.theirs), task.metric, element("a", { href: task.cohortPage }, task.cohort),
    task.events === null ? `${task.patients}` : `${task.patients} (${task.events} events)`,
  ];

  const show = (setting, a, b) => {
    if (a === b) {
      pair.replaceChildren(element("p", {}, "Choose two different methods."));
      return;
    }
    const tasks = compared(setting, a, b);
    const headers = ["task", `${a} better by (95 %)`, "-0.2 to 0.2", "verdict", a, b, "metric", "cohort", "patients"];
    const part = (title, chosen, open) =>
      chosen.length
        ? [element("details", { open }, element("summary", {}, `${title} (${chosen.length})`),
          table(`${title}: ${a} and ${b}, ${setting.name}`, headers, chosen.map((task) => row(task, a, b))))]
        : [];
    pair.replaceChildren(
      element("h2", {}, `${a} and ${b}`),
      overCohorts(setting, a, b, tasks),
      ...part("One task a cohort and kind, by which methods are compared", tasks.filter((task) => task.primary), true),
      ...part("Other tasks of these kinds", tasks.filter((task) => task.useful && !task.primary), false),
      ...part("Probes", tasks.filter((task) => !task.useful), false),
    );
    if (!tasks.length) pair.append(element("p", {}, "There is no task where both are complete."));
  };

  const select = (name, values, chosen, labels = values) =>
    element("select", { name }, ...values.map((value, i) =>
      element("option", { value, selected: value === chosen }, labels[i])));

  mirrorBench.pairs = (given) => {
    data = given;
    if (!data.settings.length) {
      pair.replaceChildren(element("p", {}, "There are no records."));
      return;
    }
    const asked = new URLSearchParams(location.search);
    const numbers = data.settings.map((_, i) => String(i));
    const of = select("of", numbers, asked.get("of") ?? "0", data.settings.map((setting) => setting.name));
    if (of.selectedIndex < 0) of.selectedIndex = 0;
    const boxes = { a: element("select", { name: "a" }), b: element("select", { name: "b" }) };
    const fill = () => {
      const { methods } = data.settings[Number(of.value)];
      const usual = { a: methods.includes("mirror") ? "mirror" : methods[0], b: methods.includes("mean-concat") ? "mean-concat" : methods[1] ?? methods[0] };
      for (const [name, box] of Object.entries(boxes)) {
        const wanted = box.value || asked.get(name);
        const chosen = methods.includes(wanted) ? wanted : usual[name];
        box.replaceChildren(...methods.map((method) => element("option", { value: method, selected: method === chosen }, method)));
        box.value = chosen;
      }
    };
    const draw = () => {
      document.title = `${boxes.a.value} and ${boxes.b.value} · mirror-bench`;
      show(data.settings[Number(of.value)], boxes.a.value, boxes.b.value);
    };
    const update = () => {
      const address = new URL(location.href);
      address.search = new URLSearchParams({ a: boxes.a.value, b: boxes.b.value, ...(of.value === "0" ? {} : { of: of.value }) });
      history.replaceState(history.state, "", address);
      draw();
    };
    const swap = element("button", { type: "button" }, "Swap");
    swap.addEventListener("click", () => {
      [boxes.a.value, boxes.b.value] = [boxes.b.value, boxes.a.value];
      update();
    });
    of.addEventListener("change", () => {
      fill();
      update();
    });
    for (const box of Object.values(boxes)) box.addEventListener("change", update);
    pick.replaceChildren(
      element("label", {}, "Method ", boxes.a), element("label", {}, "against ", boxes.b), swap,
      element("label", {}, "on ", of),
    );
    fill();
    draw();
  };
})();
