// Brings it together: filters, list and quote follow the address; the address follows them.

const filters = document.getElementById("filters");
const LABEL_NAMES = page.labels.map((name) => [name, name]);

function options(name, some, every = "all") {
  const select = filters.elements[name];
  if (select) select.append(make("option", { value: "" }, every), ...some.map(([value, words]) => make("option", { value }, words)));
}

options("set", page.sets.map((name) => [name, name]));
options("kind", Object.entries(KINDS).map(([kind, [words]]) => [kind, words]));
options("gold", [...LABEL_NAMES, ["nothing", "not annotated"]]);
options("found", [...LABEL_NAMES, ["nothing", "not found"]]);
options("given", LABEL_NAMES);
options("change", [["gained", "only this model right"], ["lost", "only the other right"]]);
options("sort", Object.entries(ORDERS).filter(([key]) => key).map(([key, [words]]) => [key, words]), ORDERS[""][0]);
filters.elements.slice.append(make("option", { value: "" }, "all"), ...page.groups.map((group) =>
  make("optgroup", { label: group }, page.traits.filter(([of]) => of === group).map(([, name]) => name).sort()
    .map((name) => make("option", { value: `${group}:${name}` }, name)))).filter((group) => group.childElementCount));

function follow(moved) {
  asked = fromAddress();
  if (asked.quote && !KEYS.some((key) => asked[key])) {
    const side = caseById.get(asked.quote);
    if (side && !side.kinds.length) asked.change = side.change;
  }
  for (const key of KEYS) {
    const field = filters.elements[key];
    if (field && field.value !== asked[key]) field.value = asked[key];
  }
  const found = select();
  const all = cases.filter((one) => one.kinds.length || one.change).length;
  document.getElementById("count").textContent = `${count(found.length, "quote")} of ${number(all)}`;
  document.getElementById("export").disabled = !found.length;
  chosen = caseById.get(asked.quote) ?? found[0] ?? null;
  fillList(found);
  const at = found.indexOf(chosen);
  reveal(Math.max(0, at));
  showQuote(chosen);
  if (moved && location.hash.includes("=")) {
    document.getElementById("mistakes").scrollIntoView();
    (asked.quote ? document.getElementById("quote") : list).focus({ preventScroll: true });
  }
}

// A choice in the list changes the address without a new step in the browser's history.
function choose(one) {
  chosen = one;
  asked.quote = one.id;
  history.replaceState(null, "", address());
  reveal(shownCases.indexOf(one));
  showQuote(one);
}

let waiting = 0;
filters.addEventListener("input", (event) => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const given = Object.fromEntries(KEYS.map((key) => [key, filters.elements[key]?.value ?? ""]));
    Object.assign(asked, given, { quote: "" });
    history.replaceState(null, "", address());
    follow(false);
  }, event.target.type === "search" ? 150 : 0);
});
filters.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("clear").addEventListener("click", () => {
  history.replaceState(null, "", "#mistakes");
  follow(false);
});
document.getElementById("export").addEventListener("click", () => save(shownCases));
addEventListener("hashchange", () => location.hash.includes("=") && follow(true));

for (const button of document.querySelectorAll("[data-choose]")) {
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-choose]")) other.setAttribute("aria-pressed", String(other === button));
    for (const part of document.querySelectorAll(".set")) {
      part.hidden = Boolean(button.dataset.choose) && part.dataset.set !== button.dataset.choose;
    }
  });
}
// A closed table says nothing on paper.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("figure details:not([open])")];
  for (const part of opened) part.open = true;
});
addEventListener("afterprint", () => opened.forEach((part) => (part.open = false)));
follow(location.hash.includes("="));
