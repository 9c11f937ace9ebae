// The list of quotes. Only the rows that can be seen are there, however many quotes there are.

const list = document.getElementById("list");
const ROW = 4.75 * parseFloat(getComputedStyle(document.documentElement).fontSize);
const SPARE = 6; // rows above and below those that can be seen
const room = make("div", { class: "room", role: "presentation" });
let shownCases = [];
let chosen = null;

function fillList(found) {
  shownCases = found;
  room.style.height = `${found.length * ROW}px`;
  list.replaceChildren(room);
  drawRows();
}

function drawRows() {
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - SPARE);
  const last = Math.min(shownCases.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + SPARE);
  const there = new Map([...list.querySelectorAll(".row")].map((row) => [Number(row.dataset.at), row]));
  for (const [at, row] of there) if (at < first || at >= last) row.remove();
  for (let at = first; at < last; at++) {
    const row = there.get(at) ?? list.appendChild(makeRow(shownCases[at], at));
    row.setAttribute("aria-selected", String(shownCases[at] === chosen));
  }
  const current = list.querySelector("[aria-selected=true]");
  if (current) list.setAttribute("aria-activedescendant", current.id);
  else list.removeAttribute("aria-activedescendant");
}

function makeRow(one, at) {
  const row = make("div", {
    class: "row", role: "option", id: `row-${one.id}`, "data-at": at, "aria-setsize": shownCases.length, "aria-posinset": at + 1,
    "aria-label": `${spoken(one)}: ${clip(content(one), 120)}`,
  },
    make("span", { class: "line" }, label(one.gold, "not annotated"), "→", label(one.found, "not found"),
      make("span", { class: "sure" }, one.probability === null ? "" : percent(one.probability))),
    make("span", { class: "said", dir: "auto" }, clip(content(one).replace(/\s+/g, " "), 120)),
    make("span", { class: "what" }, one.kinds.map((kind) => KINDS[kind][0]).join(" · ") || "right"));
  row.style.top = `${at * ROW}px`;
  row.style.height = `${ROW}px`;
  return row;
}

function label(answer, nothing) {
  if (!answer) return make("span", { class: "badge nothing" }, nothing);
  return answer.stance ? badge(LABELS[answer.stance]) : make("span", { class: "badge nothing" }, "no label");
}

function spoken(one) {
  return `annotated ${one.gold ? one.gold.stance ?? "without a label" : "not at all"}, found ${one.found ? one.found.stance : "not at all"}`;
}

function reveal(at) {
  if (at * ROW < list.scrollTop) list.scrollTop = at * ROW;
  else if ((at + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (at + 1) * ROW - list.clientHeight;
  drawRows();
}

list.addEventListener("scroll", drawRows, { passive: true });
addEventListener("resize", drawRows);
list.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (row) choose(shownCases[row.dataset.at]);
});
list.addEventListener("keydown", (event) => {
  const now = shownCases.indexOf(chosen), screen = Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
  const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: shownCases.length - 1, PageDown: now + screen, PageUp: now - screen }[event.key];
  if (event.key === "Enter" && chosen) document.getElementById("quote").focus();
  else if (to === undefined || !shownCases.length || event.ctrlKey || event.altKey || event.metaKey) return;
  else choose(shownCases[Math.max(0, Math.min(shownCases.length - 1, to))]);
  event.preventDefault();
});
