// Keys and the few things that links and forms cannot do. Every page works without this file.
"use strict";
(() => {
  const body = document.body;
  const typing = (node) => node instanceof HTMLElement && (node.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(node.tagName));
  const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
  let waiting = false;

  const mark = (step) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.classList.contains("at"));
    const next = Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step));
    for (const row of all) row.classList.toggle("at", row === all[next]);
    const target = all[next].matches("summary") ? all[next] : all[next].querySelector("a") || all[next];
    target.focus({ preventScroll: true });
    all[next].scrollIntoView({ block: "nearest" });
  };
  const help = () => {
    const dialog = document.getElementById("keys-help");
    if (dialog && !dialog.open) dialog.showModal();
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-open]") && !event.metaKey && !event.ctrlKey) {
      event.preventDefault();
      help();
    }
    const tab = event.target.closest("[data-tab]");
    if (tab && window.htmx) {
      for (const other of document.querySelectorAll("[data-tab]")) other.removeAttribute("aria-current");
      tab.setAttribute("aria-current", "page");
    }
  });

  document.addEventListener("keydown", (event) => {
    if (body.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) {
      if (event.key === "Escape" && typing(event.target)) event.target.blur();
      return;
    }
    if (waiting) {
      waiting = false;
      const page = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (page) {
        event.preventDefault();
        page.click();
      }
      return;
    }
    if (event.key === "g") {
      waiting = true;
      window.setTimeout(() => { waiting = false; }, 1500);
    } else if (event.key === "/") {
      const search = document.getElementById("search");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    } else if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      mark(event.key === "j" ? 1 : -1);
    } else if (event.key === "?") {
      event.preventDefault();
      help();
    }
  });
})();
