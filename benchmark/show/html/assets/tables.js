// Tables that sort by a click on a header, and filter by words and choices; what a reader chose is
// kept in the address, behind `#?`, where another finds it.
"use strict";

window.mirrorBench = window.mirrorBench ?? {};

mirrorBench.table = (() => {
  const FEWEST_ROWS = 4; // Of fewer everything is in sight.
  const MOST_CHOICES = 24;
  const MOST_NAMED = 6;

  const element = (name, properties = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in made) made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  // What a row is sorted by: what its cell says, unless it names a value of its own.
  const textOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();

  const valueOf = (row, column, numeric) => {
    const text = textOf(row, column);
    return text === "" ? null : numeric ? Number(text) : text;
  };

  // What has no value comes last in both directions; equal rows keep the published order.
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const order =
      typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true, sensitivity: "base" });
    return sign * order;
  };

  const isRow = (row) => !row.classList.contains("group");
  const rowsOf = (body) => [...body.rows].filter(isRow);
  const headersOf = (table) => [...table.tHead.rows[0].cells];
  const titleOf = (body) => body.querySelector("tr.group")?.textContent.trim() ?? "";
  const nameOf = (row) => row.querySelector("th.name")?.textContent.trim() ?? "";

  // The address: `#?TABLE.WHAT=VALUE&...`. Another place of the page, or a trial, has no question mark.
  const written = () => new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");

  const write = (key, chosen) => {
    const all = written();
    for (const name of [...all.keys()]) if (name.startsWith(`${key}.`)) all.delete(name);
    for (const [name, value] of Object.entries(chosen)) if (value) all.set(`${key}.${name}`, value);
    const text = all.toString();
    history.replaceState(history.state, "", location.href.split("#")[0] + (text ? `#?${text}` : ""));
  };

  // The rows that the text above the tables speaks of: by name, or as those that are tied.
  const spokenOf = () => {
    const names = new Set(
      [...document.querySelectorAll(".verdict code, .found code")].map((code) => code.textContent));
    return (row) => row.matches(".best, .tied") || names.has(nameOf(row));
  };

  // Sorting: what to call with a column and a direction, and what was called last.
  const makeSortable = (table, changed) => {
    const headers = headersOf(table);
    const published = new Map([...table.tBodies].map((body) => [body, rowsOf(body)]));
    const sortable = headers.map((header) => header.dataset.kind !== "drawing" && rowsOf(table).length > 1);

    const sort = (column, direction) => {
      const numeric = [...table.tBodies].every((body) =>
        rowsOf(body).every((row) => {
          const text = textOf(row, column);
          return text === "" || Number.isFinite(Number(text));
        }),
      );
      const sign = direction === "descending" ? -1 : 1;
      for (const [body, rows] of published) {
        const keyed = rows.map((row) => [valueOf(row, column, numeric), row]);
        if (direction) keyed.sort(([a], [b]) => compare(a, b, sign));
        body.append(...keyed.map(([, row]) => row));
      }
      headers.forEach((header, i) => {
        if (i === column && direction) header.setAttribute("aria-sort", direction);
        else header.removeAttribute("aria-sort");
      });
    };

    headers.forEach((header, column) => {
      if (!sortable[column]) return;
      const button = element("button", { type: "button", className: "sort" });
      button.append(...header.childNodes);
      header.append(button);
      const first = header.dataset.first ?? "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const next = new Map([[null, first], [first, second], [second, null]]);
      button.addEventListener("click", () => {
        const direction = next.get(header.getAttribute("aria-sort"));
        sort(column, direction);
        const name = header.textContent.trim();
        changed(direction ? `Sorted by ${name}, ${direction}.` : "In the published order.");
      });
    });

    const names = headers.map((header) => header.textContent.trim());
    const chosen = () => {
      const column = headers.findIndex((header) => header.hasAttribute("aria-sort"));
      return column < 0 ? "" : `${names[column]},${headers[column].getAttribute("aria-sort")}`;
    };
    const choose = (text) => {
      const [, name, direction] = /^(.*),(ascending|descending)$/.exec(text) ?? [];
      const column = names.indexOf(name);
      if (sortable[column]) sort(column, direction);
    };
    return { chosen, choose };
  };

  // Every way to filter a table by a choice: its name, and the values of a row.
  const choicesOf = (table) => {
    const found = [];
    const bodies = [...table.tBodies];
    if (table.dataset.by && bodies.some(titleOf))
      found.push([table.dataset.by, (row) => [titleOf(row.closest("tbody"))]]);
    const head = table.tHead.rows[0];
    for (let i = 0; head.getAttribute(`data-filter-${i}`) !== null; i += 1)
      found.push([head.getAttribute(`data-filter-${i}`), (row) => [row.getAttribute(`data-filter-${i}`)]]);
    headersOf(table).forEach((header, column) => {
      const { choice } = header.dataset;
      if (!choice) return;
      const values = (row) => {
        const text = row.cells[column].textContent.trim();
        return choice === "letters" ? [...text] : [text];
      };
      found.push([header.textContent.trim(), values]);
    });
    return found;
  };

  const makeFilterable = (table, changed) => {
    const bodies = [...table.tBodies];
    const rows = bodies.flatMap(rowsOf);
    if (rows.length < FEWEST_ROWS) return null;
    const caption = table.caption.textContent;
    const words = element("input", { type: "search", "aria-label": `Filter rows: ${caption}` });
    const bar = element("div", { className: "filters" }, element("label", {}, "Filter ", words));
    const choices = [];

    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const speaksOf = spokenOf();
      const hidden = [];
      for (const body of bodies) {
        const title = titleOf(body);
        let some = false;
        for (const row of rowsOf(body)) {
          const besides = Object.values(row.dataset).join(" "); // what rows are filtered by without a cell
          const text = `${title} ${row.textContent} ${besides}`.toLowerCase();
          row.hidden = !(
            wanted.every((word) => text.includes(word)) &&
            choices.every(([, values, select]) => select.value === "" || values(row).includes(select.value)));
          some ||= !row.hidden;
          if (row.hidden) hidden.push(row);
        }
        body.hidden = !some;
      }
      if (hidden.length === 0) return "";
      const named = hidden.filter(speaksOf).map(nameOf);
      const few = named.slice(0, MOST_NAMED).join(", ");
      const more = named.length > MOST_NAMED ? ` and ${named.length - MOST_NAMED} more` : "";
      const besides = named.length ? ` Hidden, though the text above counts them: ${few}${more}.` : "";
      return `${rows.length - hidden.length} of ${rows.length} rows shown.${besides}`;
    };

    for (const [name, values] of choicesOf(table)) {
      const every = [...new Set(rows.flatMap(values))].sort();
      if (every.length < 2 || every.length > MOST_CHOICES) continue;
      const select = element("select", {}, element("option", { value: "" }, "all"));
      select.append(...every.map((value) => element("option", { value }, value)));
      select.addEventListener("change", () => changed(apply()));
      choices.push([name, values, select]);
      bar.append(element("label", {}, `${name} `, select));
    }
    words.addEventListener("input", () => changed(apply()));

    const chosen = () => ({
      words: words.value, ...Object.fromEntries(choices.map(([name, , select]) => [name, select.value])),
    });
    const choose = (found) => {
      words.value = found.words ?? "";
      for (const [name, , select] of choices) {
        select.value = found[name] ?? "";
        if (select.selectedIndex < 0) select.value = "";
      }
      return apply();
    };
    return { bar, chosen, choose };
  };

  let tables = 0;

  // `kept`: whether the address tells what the reader chose.
  const enhance = (table, kept) => {
    const key = table.dataset.key ?? `t${(tables += 1)}`;
    const status = element("p", { className: "status", role: "status" });
    let filter = null;
    let order = null;
    const changed = (text) => {
      status.textContent = text;
      if (kept) write(key, { ...filter?.chosen(), sort: order.chosen() });
    };
    filter = makeFilterable(table, changed);
    order = makeSortable(table, changed);
    const bar = filter?.bar ?? element("div", { className: "filters" });
    bar.append(...mirrorBench.exports.buttons(table, key, (text) => { status.textContent = text; }), status);
    table.closest(".scroll").before(bar);
    if (!kept) return;

    // As the address says, when the page is opened and when its address changes.
    const follow = () => {
      const found = Object.fromEntries(
        [...written()].filter(([name]) => name.startsWith(`${key}.`)).map(([name, value]) => [name.slice(key.length + 1), value]));
      if (Object.keys(found).length === 0) return;
      if (found.sort) order.choose(found.sort);
      status.textContent = filter?.choose(found) ?? "";
      bar.scrollIntoView();
    };
    addEventListener("hashchange", follow);
    follow();
  };

  addEventListener("DOMContentLoaded", () => document.querySelectorAll("table.grid").forEach((table) => enhance(table, true)));
  return { element, enhance, headersOf, isRow, titleOf };
})();
