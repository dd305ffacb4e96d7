// The search: cohorts by any of their names, methods, words, pages and tasks; the query is in the URL.
"use strict";

(() => {
  const { element } = mirrorBench.table;
  const MOST = 8;
  const KINDS = { cohort: "cohort", method: "method", word: "what it means", page: "page", task: "task" };
  const RANKS = { pair: 5, cohort: 4, method: 3, word: 2, page: 1.5, task: 0 };
  // What a question holds beside what it is about.
  const COMMON = new Set(
    ("a an and are best better cancer do does for first how i in is it its many method methods not of on one or " +
      "should sure than that the there this to use what which who why with").split(" "),
  );
  const box = document.getElementById("search");
  const input = document.getElementById("query");
  const hits = document.getElementById("hits");
  const count = document.getElementById("hits-count");
  let entries = [];

  const parts = (text) => text.toLowerCase().normalize("NFKD").match(/[\p{L}\p{N}]+/gu) ?? [];

  // How well a word of the query fits an entry: its title or another name of it, else its text.
  const fit = (word, entry) => {
    if (entry.names.has(word)) return 8;
    if (word.length > 1 && entry.titled.some((part) => part.startsWith(word))) return 4;
    if (word.length > 2 && entry.told.some((part) => part.startsWith(word))) return 1;
    return 0;
  };

  const found = (query) => {
    const all = parts(query);
    const asked = all.filter((word) => !COMMON.has(word));
    const words = asked.length ? asked : all;
    if (!words.length) return [];
    const scored = entries.map((entry) => {
      const fits = words.map((word) => fit(word, entry));
      const matched = fits.filter(Boolean).length;
      const whole = entry.path && entry.title.toLowerCase() === query.trim().toLowerCase() ? 100 : 0;
      const recorded = entry.path ? RANKS[entry.kind] : 1; // after what there is an answer for
      return { entry, matched, score: whole + fits.reduce((a, b) => a + b, 0) + recorded };
    });
    const most = Math.max(...scored.map((one) => one.matched));
    if (!most) return [];
    return [...pairs(query), ...scored
      .filter((one) => one.matched === most)
      .sort((a, b) => b.score - a.score || a.entry.title.localeCompare(b.entry.title))
      .map((one) => one.entry)];
  };

  // Two methods in one question are a pair to compare.
  const pairs = (query) => {
    const words = query.toLowerCase().match(/[\p{L}\p{N}-]+/gu) ?? [];
    const named = entries.filter((entry) => entry.kind === "method" && words.includes(entry.title.toLowerCase()));
    named.sort((a, b) => words.indexOf(a.title.toLowerCase()) - words.indexOf(b.title.toLowerCase()));
    if (named.length !== 2) return [];
    const [a, b] = named.map((entry) => entry.title);
    return [{
      kind: "pair", title: `Compare ${a} with ${b}`, lines: ["Their difference on every task and over cohorts, with intervals."],
      path: `compare.html?${new URLSearchParams({ a, b })}`,
    }];
  };

  const shown = (entry) => {
    const title = entry.path ? element("a", { href: entry.path }, entry.title) : element("strong", {}, entry.title);
    const lines = entry.lines.map((line) => element("p", {}, line));
    const kind = KINDS[entry.kind] ? element("span", { className: "key" }, ` ${KINDS[entry.kind]}`) : "";
    return element("li", {}, title, kind, ...lines);
  };

  const find = () => {
    const query = input.value;
    const all = found(query);
    hits.replaceChildren(...all.slice(0, MOST).map(shown));
    const more = all.length > MOST ? `, ${MOST} shown` : "";
    count.textContent = query.trim() ? `${all.length || "Nothing"} found${more}.` : "";
  };

  const keep = () => {
    const address = new URL(location.href);
    if (input.value.trim()) address.searchParams.set("q", input.value.trim());
    else address.searchParams.delete("q");
    history.replaceState(history.state, "", address);
  };

  mirrorBench.searchable = (data) => {
    entries = data.map((entry) => {
      const titled = parts(`${entry.title} ${entry.words.join(" ")}`);
      return { ...entry, titled, names: new Set(titled), told: parts(entry.lines.join(" ")) };
    });
    box.hidden = false;
    input.value = new URLSearchParams(location.search).get("q") ?? "";
    input.addEventListener("input", () => {
      find();
      keep();
    });
    if (input.value) find();
  };
})();
