// Dark or light: as the system says, until the reader says otherwise. Runs before the page is drawn.
"use strict";

(() => {
  const KEY = "mirror-bench-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // A browser may give pages on the disk no storage.
    }
  };

  const show = () => {
    const chosen = stored();
    const dark = (chosen ?? (system.matches ? "dark" : "light")) === "dark";
    root.dataset.theme = dark ? "dark" : "light";
    document.getElementById("theme")?.setAttribute("aria-pressed", String(dark));
  };

  show();
  system.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      const next = root.dataset.theme === "dark" ? "light" : "dark";
      try {
        localStorage.setItem(KEY, next);
        show();
      } catch {
        root.dataset.theme = next;
        button.setAttribute("aria-pressed", String(next === "dark"));
      }
    });
  });
})();
