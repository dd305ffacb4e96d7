// What a table shows, as csv, LaTeX and BibTeX: the rows and the order that the reader chose.
"use strict";

window.mirrorBench = window.mirrorBench ?? {};

mirrorBench.exports = (() => {
  const LATEX = new Map([
    ...[..."&%$#_{}"].map((sign) => [sign, `\\${sign}`]),
    ["\\", "\\textbackslash{}"], ["~", "\\textasciitilde{}"], ["^", "\\textasciicircum{}"],
    ["<", "$<$"], [">", "$>$"], ["|", "\\textbar{}"], ['"', "''"],
    ["↑", "$\\uparrow$"], ["↓", "$\\downarrow$"], ["·", "$\\cdot$"], ["Δ", "$\\Delta$"], ["±", "$\\pm$"],
    ["●", "$\\bullet$"], ["≥", "$\\ge$"], ["∅", "$\\emptyset$"], ["⚠", ""],
  ]);

  const latex = (text) => [...text].map((sign) => LATEX.get(sign) ?? sign).join("");

  // A text that a spreadsheet would take for a formula gets an apostrophe before it.
  const csvCell = (text) => {
    const safe = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };

  // Title, headers and rows by group, as they are in sight; a drawing is none of them.
  const seen = (table) => {
    const { headersOf, isRow, titleOf } = mirrorBench.table;
    const columns = headersOf(table)
      .map((header, i) => ({ i, name: header.textContent.trim(), kind: header.dataset.kind }))
      .filter(({ kind }) => kind !== "drawing");
    const groups = [...table.tBodies].filter((body) => !body.hidden).map((body) => ({
      title: titleOf(body),
      rows: [...body.rows].filter((row) => isRow(row) && !row.hidden)
        .map((row) => columns.map(({ i }) => row.cells[i].textContent.trim())),
    }));
    return { caption: table.caption.textContent.trim(), columns, groups };
  };

  const csv = (table) => {
    const { columns, groups } = seen(table);
    const titled = groups.some(({ title }) => title);
    const head = [...(titled ? [table.dataset.by || "group"] : []), ...columns.map(({ name }) => name)];
    const rows = groups.flatMap(({ title, rows: own }) => own.map((row) => (titled ? [title, ...row] : row)));
    const cells = (row) => row.map((text) => (text === "-" ? "" : csvCell(text)));
    return [head, ...rows].map((row) => `${cells(row).join(",")}\n`).join("");
  };

  // Needs the package booktabs and nothing else.
  const tabular = (table, name) => {
    const { caption, columns, groups } = seen(table);
    const line = (cells) => `${cells.join(" & ")} \\\\`;
    const cell = (text, i) => {
      const escaped = latex(text);
      if (columns[i].kind === "name") return `\\texttt{${escaped}}`;
      return columns[i].kind === "number" && text !== "-" ? escaped.replaceAll("-", "$-$") : escaped;
    };
    const body = groups.flatMap(({ title, rows }, i) => [
      ...(i ? ["\\midrule"] : []),
      ...(title ? [`\\multicolumn{${columns.length}}{l}{\\emph{${latex(title)}}} \\\\`] : []),
      ...rows.map((row) => line(row.map(cell))),
    ]);
    return [
      "\\begin{table}", "\\centering", `\\caption{${latex(caption)}.}`, `\\label{tab:${name}}`,
      `\\begin{tabular}{${columns.map(({ kind }) => (kind === "number" ? "r" : "l")).join("")}}`,
      "\\toprule", line(columns.map((column) => latex(column.name))), "\\midrule", ...body, "\\bottomrule",
      "\\end{tabular}", "\\end{table}", "",
    ].join("\n");
  };

  // The entries of the methods in sight, each once, and that of this software.
  const bibtex = (table) => {
    const { keys, entries } = mirrorBench.references;
    const shown = new Set(seen(table).groups.flatMap(({ rows }) => rows.flat()));
    const wanted = new Set(["mirror-bench"]);
    for (const [method, of] of Object.entries(keys)) if (shown.has(method)) of.forEach((key) => wanted.add(key));
    return [...wanted].map((key) => entries[key]).join("\n");
  };

  const save = (name, text) => {
    const address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    mirrorBench.table.element("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };

  const namedAfter = (table, key) => {
    const words = `${document.querySelector("h1")?.textContent ?? ""} ${key}`;
    return words.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  };

  const buttons = (table, key, said) => {
    const { element } = mirrorBench.table;
    const name = namedAfter(table, key);
    const hasMethods = () => {
      const known = mirrorBench.references?.keys ?? {};
      return [...table.querySelectorAll("th.name")].some((cell) => cell.textContent.trim() in known);
    };
    const formats = [
      ["csv", "csv", () => csv(table)],
      ["LaTeX", "tex", () => tabular(table, name)],
      ...(hasMethods() ? [["BibTeX", "bib", () => bibtex(table)]] : []),
    ];
    const caption = table.caption.textContent;
    const made = formats.map(([label, ending, text]) => {
      const button = element("button", { type: "button", "aria-label": `${label} of what is shown: ${caption}` }, label);
      button.addEventListener("click", () => {
        save(`${name}.${ending}`, text());
        said(`${name}.${ending} has what is shown.`);
      });
      return button;
    });
    return [element("span", { className: "exports" }, ...made)];
  };

  return { bibtex, buttons, csv, tabular };
})();
