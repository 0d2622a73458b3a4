// The page: four lists of the REST API, kept up to date, and what is wrong among them on top.

import { LISTS, cluster } from "./columns.js";
import { follow, read } from "./live.js";
import { Table, make } from "./table.js";

const element = (id) => document.getElementById(id);
const tables = new Map(LISTS.map((list) => [list.name, new Table(list)]));
const failures = new Map();
const revisions = new Map();
let staleSince = null;

element("main").append(...[...tables.values()].map((table) => table.section));

function applyFilter() {
  const words = element("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const table of tables.values()) table.filter(words);
  const address = new URL(location.href);
  words.length ? address.searchParams.set("filter", words.join(" ")) : address.searchParams.delete("filter");
  if (address.href !== location.href) history.replaceState(null, "", address);
}

function showAttention() {
  const problems = [...tables.values()].flatMap((table) =>
    table.items.flatMap((item) => table.list.conditions(item).map((condition) => ({ label: table.list.label(item), condition }))),
  );
  const lines = problems.map(({ label, condition }) => make("li", {}, `${label}: ${condition.type}: `, make("code", {}, condition.reason), ` ${condition.message}`));
  element("attention").replaceChildren(...lines);
  element("calm").hidden = lines.length > 0;
  element("calm").textContent = failures.size ? "The state of the cluster cannot be read completely; see below." : "Nothing needs attention.";
}

/** The pill says whether what is shown is what is. Only a change of state is announced to screen readers. */
function showFreshness() {
  const pill = element("freshness");
  const stale = failures.size > 0;
  if (stale && !staleSince) staleSince = new Date();
  if (!stale) staleSince = null;
  const text = stale ? `stale since ${staleSince.toLocaleTimeString()}` : "live";
  const status = pill.querySelector("[role=status]");
  if (status.textContent !== text) status.textContent = text;
  pill.dataset.state = stale ? "stale" : "live";
  const newest = [...revisions.values()].reduce((most, revision) => (revision > most ? revision : most), 0n);
  element("revision").textContent = newest > 0n ? `rev ${newest}` : "";
}

/** The cluster domain is a setting of the name servers that stays as long as they run: it is read once. */
async function learnDomain() {
  if (cluster.domain) return;
  try {
    cluster.domain = (await read("/v1/resolver-settings")).body.settings?.clusterDomain ?? "";
  } catch {
    // Names are shown without it; the next round asks again.
  }
}

learnDomain();
follow(LISTS, {
  heard(name, body) {
    revisions.set(name, BigInt(body.revision ?? "0"));
    tables.get(name).show(body);
  },
  failed(name, error) {
    failures.set(name, error);
  },
  answered(name) {
    failures.delete(name);
  },
  settled() {
    learnDomain();
    for (const [name, table] of tables) {
      table.fail(failures.get(name) ?? null);
      table.tick();
    }
    applyFilter();
    showAttention();
    showFreshness();
  },
});

element("filter").value = new URL(location.href).searchParams.get("filter") ?? "";
element("filter").addEventListener("input", applyFilter);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target instanceof HTMLInputElement) return;
  event.preventDefault();
  element("filter").focus();
});
