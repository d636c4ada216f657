// Sorting, filtering and the theme of a page of calibench. Without it a page shows everything in the order of its figures.
"use strict";
(() => {
  const root = document.documentElement;

  // --- the state, which the part of the address behind # holds: #theme=dark&filter=temperature&sort=all.2.descending

  const read = () => {
    const hash = location.hash.slice(1);
    return new URLSearchParams(hash.includes("=") ? hash : "");
  };
  const state = read();

  const write = (key, value) => {
    if (value) state.set(key, value);
    else state.delete(key);
    const text = state.toString();
    history.replaceState(null, "", text ? `#${text}` : location.href.split("#")[0]);
  };
  addEventListener("hashchange", () => {
    if (location.hash.includes("=")) location.reload(); // somebody typed another state
  });

  // --- the theme: that of the address, else the one that was chosen last, else that of the system

  const stored = () => {
    try { return localStorage.getItem("calibench-theme"); } catch { return null; }
  };
  const store = (theme) => {
    try { localStorage.setItem("calibench-theme", theme); } catch { /* a browser that keeps nothing */ }
  };
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (systemIsDark.matches ? "dark" : "light");
  const setTheme = (name) => {
    if (name === "dark" || name === "light") root.dataset.theme = name;
    else delete root.dataset.theme;
  };
  setTheme(state.get("theme") || stored());

  // --- tables: the sort keys of a column are read once, and a table is put together outside the page

  const keysOf = new WeakMap();

  const keys = (table, column) => {
    if (!keysOf.has(table)) keysOf.set(table, new Map());
    const of = keysOf.get(table);
    if (!of.has(column)) {
      const byRow = new Map();
      for (const row of table.tBodies[0].rows) {
        const cell = row.cells[column];
        const text = cell.dataset.v ?? cell.textContent.trim();
        const number = Number(text);
        byRow.set(row, text === "" || text === "-" ? null : Number.isNaN(number) ? text.toLowerCase() : number);
      }
      of.set(column, byRow);
    }
    return of.get(column);
  };

  const compare = (a, b) => {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  };

  const sort = (table, column, order) => {
    const byRow = keys(table, column);
    const sign = order === "descending" ? -1 : 1;
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((x, y) => {
      const a = byRow.get(x);
      const b = byRow.get(y);
      if (a === null || b === null) return (a === null) - (b === null); // what is missing stands last
      return sign * compare(a, b);
    });
    const after = body.nextSibling;
    body.remove();
    body.replaceChildren(...rows);
    table.insertBefore(body, after);
    for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", order);
  };

  const say = (text) => {
    const status = document.getElementById("status");
    if (status) status.textContent = text;
  };

  const sortBy = (table, column, order) => {
    sort(table, column, order);
    const head = table.tHead.rows[0].cells[column].textContent.trim();
    say(`Sorted by ${head}, ${order}.`);
    write(`sort-${table.id}`, `${column}.${order}`);
  };

  const addButtons = (table) => {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.dataset.first || "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        sortBy(table, column, head.getAttribute("aria-sort") === first ? other : first);
      });
    });
  };

  const sortAgain = (table) => {
    const [column, order] = (state.get(`sort-${table.id}`) || "").split(".");
    const heads = table.tHead.rows[0].cells;
    if (heads[column] && (order === "ascending" || order === "descending")) sort(table, Number(column), order);
  };

  // --- the filter: a row stays if it has every word, and the kind of stage that was chosen

  const filter = (tables, words, kind) => {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (element) => {
      const text = element.dataset.words;
      return wanted.every((word) => text.includes(word)) && (!kind || element.dataset.kinds.split(" ").includes(kind));
    };
    let shown = 0;
    let all = 0;
    for (const table of tables) {
      for (const row of table.tBodies[0].rows) {
        const hidden = !fits(row);
        if (row.hidden !== hidden) row.hidden = hidden;
        all += 1;
        shown += !hidden;
      }
    }
    for (const mark of document.querySelectorAll("svg [data-words], .wall [data-words]")) {
      if (mark.closest("svg")) mark.classList.toggle("dim", !fits(mark));
      else mark.hidden = !fits(mark);
    }
    say(words || kind ? `${shown} of ${all} rows are shown.` : "");
  };

  const addFilter = (tables) => {
    const words = document.getElementById("filter");
    const kind = document.getElementById("kind");
    if (!words) return;
    const apply = () => filter(tables, words.value, kind ? kind.value : "");
    const changed = () => {
      apply();
      write("filter", words.value.trim());
      write("kind", kind ? kind.value : "");
    };
    words.value = state.get("filter") || "";
    if (kind && [...kind.options].some((option) => option.value === state.get("kind"))) kind.value = state.get("kind");
    words.addEventListener("input", changed);
    if (kind) kind.addEventListener("change", changed);
    document.getElementById("reset").addEventListener("click", () => {
      words.value = "";
      if (kind) kind.value = "";
      changed();
      words.focus();
    });
    if (words.value || (kind && kind.value)) apply();
  };

  const addTheme = () => {
    const button = document.getElementById("theme");
    const name = () => {
      const other = theme() === "dark" ? "light" : "dark";
      button.textContent = other === "dark" ? "Dark theme" : "Light theme";
      return other;
    };
    button.addEventListener("click", () => {
      const next = theme() === "dark" ? "light" : "dark";
      setTheme(next);
      store(next);
      write("theme", next);
      name();
    });
    systemIsDark.addEventListener("change", name);
    name();
    button.hidden = false;
  };

  document.addEventListener("DOMContentLoaded", () => {
    const tables = [...document.querySelectorAll("table.sortable")];
    tables.forEach(addButtons);
    tables.forEach(sortAgain);
    addTheme();
    addFilter(tables.filter((table) => table.classList.contains("filtered")));
    for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
  });
})();
