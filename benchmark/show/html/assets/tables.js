// Tables that sort by a click on a header, and filter by words and choices.
"use strict";

window.mirrorBench = window.mirrorBench ?? {};

mirrorBench.table = (() => {
  const FEWEST_ROWS = 4; // Of fewer everything is in sight.
  const MOST_CHOICES = 12;

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

  const rowsOf = (body) => [...body.rows].filter((row) => !row.classList.contains("group"));

  const makeSortable = (table, status) => {
    const headers = [...table.tHead.rows[0].cells];
    const published = new Map([...table.tBodies].map((body) => [body, rowsOf(body)]));

    const sort = (column, direction) => {
      const numeric = rowsOf(table).length > 0 && [...table.tBodies].every((body) =>
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
      const name = headers[column].textContent.trim();
      status.textContent = direction ? `Sorted by ${name}, ${direction}.` : "In the published order.";
    };

    headers.forEach((header, column) => {
      if (header.dataset.kind === "drawing" || rowsOf(table).length < 2) return;
      const button = element("button", { type: "button", className: "sort" });
      button.append(...header.childNodes);
      header.append(button);
      const first = header.dataset.first ?? "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const next = new Map([[null, first], [first, second], [second, null]]);
      button.addEventListener("click", () => sort(column, next.get(header.getAttribute("aria-sort"))));
    });
  };

  const makeFilterable = (table, status) => {
    const bodies = [...table.tBodies];
    const rows = bodies.flatMap(rowsOf);
    if (rows.length < FEWEST_ROWS) return null;
    const caption = table.caption.textContent;
    const words = element("input", { type: "search", "aria-label": `Filter rows: ${caption}` });
    const bar = element("div", { className: "filters" }, element("label", {}, "Filter ", words));
    const choices = [];

    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const body of bodies) {
        let some = false;
        for (const row of rowsOf(body)) {
          const text = row.textContent.toLowerCase();
          const fits =
            wanted.every((word) => text.includes(word)) &&
            choices.every(([column, select]) =>
              select.value === "" || row.cells[column].textContent.trim() === select.value);
          row.hidden = !fits;
          some ||= fits;
          shown += fits;
        }
        body.hidden = !some;
      }
      status.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows shown.`;
    };

    [...table.tHead.rows[0].cells].forEach((header, column) => {
      if (!("choice" in header.dataset)) return;
      const values = [...new Set(rows.map((row) => row.cells[column].textContent.trim()))].sort();
      if (values.length < 2 || values.length > MOST_CHOICES) return;
      const select = element("select", {}, element("option", { value: "" }, "all"));
      select.append(...values.map((value) => element("option", { value }, value)));
      select.addEventListener("change", apply);
      choices.push([column, select]);
      bar.append(element("label", {}, `${header.textContent.trim()} `, select));
    });
    words.addEventListener("input", apply);
    return bar;
  };

  const enhance = (table) => {
    const status = element("p", { className: "status", role: "status" });
    const bar = makeFilterable(table, status);
    makeSortable(table, status);
    const scroll = table.closest(".scroll");
    if (bar) {
      bar.append(status);
      scroll.before(bar);
    } else scroll.before(status);
  };

  document.querySelectorAll("table.grid").forEach(enhance);
  return { element, enhance };
})();
