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

  // --- tables: rows are kept in an array, and a long table shows its first rows until somebody asks for the others

  const MOST = 200;

  const status = (text) => {
    const output = document.getElementById("status");
    if (output) output.textContent = text;
  };

  class Table {
    constructor(element) {
      this.element = element;
      this.body = element.tBodies[0];
      this.heads = [...element.tHead.rows[0].cells];
      this.rows = [...this.body.rows].map((row) => ({ row, words: row.dataset.words ?? "", kinds: row.dataset.kinds ?? "" }));
      this.fitting = this.rows;
      this.most = MOST;
      this.keys = new Map();
      this.more = document.createElement("button");
      this.more.type = "button";
      this.more.addEventListener("click", () => this.showAll());
      element.closest(".scroll").after(this.more);
      this.heads.forEach((head, column) => this.addButton(head, column));
      const [column, order] = (state.get(`sort-${element.id}`) || "").split(".");
      if (this.heads[column] && ["ascending", "descending"].includes(order)) this.sort(Number(column), order);
      else this.show();
    }

    addButton(head, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.dataset.first || "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        this.sort(column, order);
        status(`Sorted by ${head.textContent.trim()}, ${order}.`);
        write(`sort-${this.element.id}`, `${column}.${order}`);
      });
    }

    // What each row is sorted by in a column: a number, small letters, or null where there is nothing. Read once.
    keysOf(column) {
      if (!this.keys.has(column)) {
        const keys = new Map();
        for (const item of this.rows) {
          const cell = item.row.children[column];
          const text = cell.dataset.v ?? cell.textContent.trim();
          const number = Number(text);
          keys.set(item, text === "" || text === "-" ? null : Number.isNaN(number) ? text.toLowerCase() : number);
        }
        this.keys.set(column, keys);
      }
      return this.keys.get(column);
    }

    sort(column, order) {
      const keys = this.keysOf(column);
      const sign = order === "descending" ? -1 : 1;
      const compare = (x, y) => {
        const a = keys.get(x);
        const b = keys.get(y);
        if (a === null || b === null) return (a === null) - (b === null); // what is missing stands last
        if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
        return sign * (a < b ? -1 : a > b ? 1 : 0);
      };
      this.rows.sort(compare);
      if (this.fitting !== this.rows) this.fitting.sort(compare);
      for (const head of this.heads) head.removeAttribute("aria-sort");
      this.heads[column].setAttribute("aria-sort", order);
      this.show();
    }

    filter(fits) {
      this.fitting = this.rows.filter(fits);
      this.show();
      return this.fitting.length;
    }

    show() {
      this.body.replaceChildren(...this.fitting.slice(0, this.most).map((item) => item.row));
      this.more.hidden = this.fitting.length <= this.most;
      this.more.textContent = `Show all ${this.fitting.length} rows, not the first ${this.most} alone`;
    }

    showAll() {
      this.most = Infinity;
      this.show();
    }
  }

  // --- the filter: a row stays if it has every word, and a stage of the kind that was chosen

  const addFilter = (tables) => {
    const words = document.getElementById("filter");
    const kind = document.getElementById("kind");
    if (!words) return;
    const marks = [...document.querySelectorAll("svg [data-words], .wall [data-words]")];
    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = kind ? kind.value : "";
      const fits = (item) => wanted.every((word) => item.words.includes(word)) && (!chosen || item.kinds.split(" ").includes(chosen));
      const shown = tables.map((table) => table.filter(fits));
      for (const mark of marks) {
        const hidden = !fits(mark.dataset);
        if (mark.closest("svg")) mark.classList.toggle("dim", hidden);
        else mark.hidden = hidden;
      }
      const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
      const all = sum(tables.map((table) => table.rows.length));
      status(wanted.length || chosen ? `${sum(shown)} of ${all} rows fit.` : "");
    };
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
    const tables = [...document.querySelectorAll("table.sortable")].map((element) => new Table(element));
    addTheme();
    addFilter(tables.filter((table) => table.element.classList.contains("filtered")));
    addEventListener("beforeprint", () => tables.forEach((table) => table.showAll()));
    for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
  });
})();
