// Losses, and how embeddings lie, over epochs, drawn as small panels.
"use strict";

mirrorBench.curves = (() => {
  const WIDTH = 320;
  const HEIGHT = 170;
  const LEFT = 52;
  const BOTTOM = 26;
  const MARGIN = 8;
  const { element } = mirrorBench.table;

  const drawn = (name, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };

  const short = (value) => Number(value.toPrecision(3)).toString();

  const named = (epoch) => (epoch ? `at epoch ${epoch}` : "before training");

  // One panel: `lines` are curves of {epochs, values}.
  const panel = (title, lines) => {
    const values = lines.flatMap((line) => line.values).filter((value) => value !== null);
    if (values.length === 0) return null;
    const first = Math.min(...lines.flatMap((line) => line.epochs));
    const last = Math.max(...lines.flatMap((line) => line.epochs));
    const low = Math.min(...values);
    const span = Math.max(...values) - low || 1;
    const x = (epoch) => LEFT + ((epoch - first) / Math.max(last - first, 1)) * (WIDTH - LEFT - MARGIN);
    const y = (value) => HEIGHT - BOTTOM - ((value - low) / span) * (HEIGHT - BOTTOM - MARGIN);

    const mean = (pick) => {
      const found = lines.map((line) => pick(line.values)).filter((value) => value !== null);
      return found.length ? short(found.reduce((a, b) => a + b, 0) / found.length) : "nothing";
    };
    const label =
      `${title}: ${lines.length === 1 ? "" : `mean of ${lines.length} trials, `}` +
      `${mean((v) => v[0])} ${named(first)}, ${mean((v) => v[v.length - 1])} ${named(last)}`;
    const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
    for (const value of [low, low + span / 2, low + span]) {
      svg.append(
        drawn("path", { class: "guide", d: `M${LEFT} ${y(value)}H${WIDTH - MARGIN}` }),
        drawn("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)),
      );
    }
    for (const epoch of new Set([first, last])) {
      const anchor = epoch === first ? "start" : "end";
      svg.append(drawn("text", { x: x(epoch), y: HEIGHT - 8, "text-anchor": anchor }, epoch ? `epoch ${epoch}` : "untrained"));
    }
    for (const { epochs, values: its } of lines) {
      const points = epochs
        .map((epoch, i) => [epoch, its[i]])
        .filter(([, value]) => value !== null)
        .map(([epoch, value]) => `${x(epoch).toFixed(1)} ${y(value).toFixed(1)}`);
      svg.append(
        points.length === 1
          ? drawn("circle", { class: "curve", cx: points[0].split(" ")[0], cy: points[0].split(" ")[1], r: 2 })
          : drawn("path", { class: "curve", d: `M${points.join("L")}` }),
      );
    }
    return element("figure", { className: "curves" }, element("figcaption", {}, title), svg);
  };

  // A panel for each loss of some trials, the total first, then for each measure of embeddings.
  const panels = (trials) => {
    const names = [...new Set(trials.flatMap((trial) => Object.keys(trial.curves)))];
    return names
      .map((name) => panel(name, trials.map((trial) => trial.curves[name]).filter(Boolean)))
      .filter(Boolean);
  };

  return { panels };
})();
