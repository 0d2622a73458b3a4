// One list as an accessible table. Rows are kept by key and cells are changed in place, so that the reader's place, selection
// and focus survive an update.

/** An element with attributes and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Copies text; where the page may not (an address without TLS), selects it for the reader to copy. */
async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source);
  }
}

function commandLine(command) {
  const code = make("code", {}, command);
  const button = make("button", { type: "button", "aria-label": `Copy ${command}` }, "Copy");
  button.addEventListener("click", () => copy(code));
  return [code, " ", button];
}

function fill(cell, value) {
  if (value?.meter !== undefined) {
    const percent = `${Math.round(value.meter * 100)}%`;
    const meter = make("meter", { min: 0, max: 1, high: 0.9, low: 0.75, optimum: 0, value: value.meter, "aria-label": `${percent} taken` });
    cell.replaceChildren(meter, ` ${percent}`);
    return;
  }
  cell.replaceChildren(value?.text ?? value ?? "");
  if (value?.why) cell.append(make("span", { class: "why" }, value.why));
}

/** The section of one list. */
export class Table {
  constructor(list) {
    this.list = list;
    this.items = [];
    this.read = false;
    this.rows = new Map();
    this.count = make("span", { class: "count" });
    this.problem = make("div", { role: "alert" });
    this.body = make("tbody");
    this.note = make("caption");
    const heads = list.columns.map(([title, , kind]) => make("th", { scope: "col", class: kind ?? "" }, title));
    const table = make("table", { "aria-labelledby": `${list.name}-title` }, this.note, make("thead", {}, make("tr", {}, ...heads)), this.body);
    this.scroll = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${list.title} table`, hidden: "" }, table);
    this.empty = make("p", { class: "empty", hidden: "" }, `${list.empty.text} `, ...commandLine(list.empty.command));
    const title = make("h2", { id: `${list.name}-title` }, list.title);
    const source = make("a", { class: "source", href: list.path }, `GET ${list.path}`);
    this.section = make("section", { id: list.name, "aria-labelledby": `${list.name}-title` });
    this.section.append(title, this.count, source, this.problem, this.scroll, this.empty);
  }

  /** Shows a new answer. */
  show(body) {
    const first = !this.read;
    this.read = true;
    this.items = this.list.items(body);
    const kept = new Set();
    let before = null;
    for (const item of this.items) {
      const key = this.list.key(item);
      kept.add(key);
      const row = this.rows.get(key) ?? this.addRow(key);
      this.update(row, item, !first);
      const place = before ? before.nextSibling : this.body.firstChild;
      if (place !== row) this.body.insertBefore(row, place);
      before = row;
    }
    for (const [key, row] of this.rows) {
      if (kept.has(key)) continue;
      row.remove();
      this.rows.delete(key);
    }
    this.note.textContent = body.nextPageToken ? `The first ${this.items.length}; there are more. polder get ${this.list.name} lists all.` : "";
    this.empty.hidden = this.items.length > 0;
    this.scroll.hidden = this.items.length === 0;
  }

  addRow(key) {
    const row = make("tr", {}, ...this.list.columns.map(([, , kind]) => make("td", { class: kind ?? "" })));
    this.rows.set(key, row);
    return row;
  }

  update(row, item, flash) {
    row.item = item;
    this.list.columns.forEach(([, value, kind], index) => {
      const cell = row.cells[index];
      const now = value(item);
      const print = JSON.stringify(now ?? "");
      if (cell.print === print) return;
      const known = cell.print !== undefined;
      cell.print = print;
      fill(cell, now);
      if (!flash || !known || kind === "ticks") return;
      cell.classList.remove("changed");
      requestAnimationFrame(() => cell.classList.add("changed"));
    });
  }

  /** Moves the ages on. */
  tick() {
    for (const row of this.rows.values()) this.update(row, row.item, false);
  }

  /** Shows only rows that contain every word. */
  filter(words) {
    let shown = 0;
    for (const row of this.rows.values()) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    if (this.read) this.count.textContent = words.length ? `${shown} of ${this.items.length}` : String(this.items.length);
  }

  /** Says what the server said when the list could not be read; `null` when it could. */
  fail(error) {
    const text = error && `${error.reason}: ${error.message}`;
    if (this.problem.text === text) return;
    this.problem.text = text;
    this.section.classList.toggle("stale", error !== null);
    this.problem.replaceChildren();
    if (error) this.problem.append(make("p", { class: "problem" }, make("code", {}, error.reason), ` ${error.message}`));
  }
}
