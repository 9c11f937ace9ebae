// The address decides what is shown; filters and links change the address.

const SHOW = { articles: showArticles, speakers: showSpeakers, accusations: showAccusations, time: showTime };
const filters = document.getElementById("filters");
const main = document.getElementById("main");
const more = document.getElementById("more");
const NAMES_OFFERED = 50;
let typing = 0;

function update(moved) {
  const found = select();
  if (!moved && !found.articles.some(({ id }) => id === state.article) && !state.claim) state.article = "";
  untip(0);
  showFilters(found);
  document.getElementById("count").textContent = asked()
    ? `${count(found.claims.length, "claim")} of ${number(claims.length)} in ${count(found.articles.length, "article")} of ${number(articles.length)}`
    : `${count(claims.length, "claim")} by ${count(speakers.length, "speaker")} in ${count(articles.length, "article")}`;
  document.getElementById("views").replaceChildren(...Object.entries(VIEWS).map(([key, words]) =>
    make("a", { href: address({ view: key, claim: "" }), "aria-current": key === state.view ? "page" : null }, words)));
  main.replaceChildren();
  SHOW[state.view](found, main, moved);
}

function asked() {
  return FILTERS.filter((key) => state[key]).length;
}

function go(changes) {
  state = { ...state, claim: "", ...changes };
  history.replaceState(null, "", address());
  update(false);
}

function showFilters(found) {
  for (const key of FILTERS) {
    const field = filters.elements[key];
    if (field && field !== document.activeElement) field.value = state[key];
  }
  const chosen = new Set(state.stance.split(","));
  for (const box of filters.querySelectorAll("[name=stance]")) {
    box.checked = chosen.has(box.value);
    box.nextElementSibling.querySelector(".chip-count").textContent = number(found.counts.get(STANCES.find(({ name }) => name === box.value)));
  }
  const hidden = asked() - (state.stance ? 1 : 0);
  more.textContent = hidden ? `Filters (${hidden})` : "Filters";
  document.getElementById("clear").disabled = !asked();
}

function prepare() {
  document.getElementById("guide").append(...STANCES.map((stance) =>
    make("li", { class: stance.name }, badge(stance), " ", stance.means)));
  document.getElementById("stances").append(...STANCES.map((stance) => make("label", { class: `chip ${stance.name}` },
    make("input", { type: "checkbox", name: "stance", value: stance.name }),
    make("span", {}, shape(stance), stance.word, " ", make("span", { class: "chip-count" })))));
  filters.elements.publisher.append(make("option", { value: "" }, "all"),
    ...publishers.map((publisher) => make("option", { value: publisher }, clip(publisher, 60))));
  filters.elements.publisher.parentElement.hidden = !publishers.length;
  filters.classList.toggle("full", Boolean(publishers.length || dated));
  for (const key of ["from", "to"]) filters.elements[key].parentElement.hidden = !dated;

  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("input", (event) => {
    clearTimeout(typing);
    const field = event.target;
    if (field.name === "speaker" || field.name === "target") offer(field);
    if (field.type === "search") typing = setTimeout(ask, 200);
    else ask();
  });
  document.getElementById("clear").addEventListener("click", () => {
    filters.reset();
    go({ ...NO_FILTERS });
    filters.elements.words.focus();
  });
  more.addEventListener("click", () => {
    const open = filters.classList.toggle("open");
    more.setAttribute("aria-expanded", open);
  });
  for (const key of ["speaker", "target"]) offer(filters.elements[key]);
  addEventListener("hashchange", () => {
    state = fromAddress();
    filters.contains(document.activeElement) && document.activeElement.blur();
    update(true);
  });
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address is taken
    main.focus();
  });
}

function ask() {
  const chosen = [...filters.querySelectorAll("[name=stance]:checked")].map((box) => box.value);
  const given = Object.fromEntries(FILTERS.map((key) => [key, filters.elements[key].value ?? ""]));
  go({ ...given, stance: chosen.join(",") });
}

// Names to choose from that hold the letters so far; a list of all would be too long.
function offer(field) {
  const [known, list] = field.name === "speaker" ? [speakers, "speakers"] : [targets, "targets"];
  const part = fold(field.value);
  const some = [];
  for (const words of known) {
    if (fold(words).includes(part) && some.push(words) === NAMES_OFFERED) break;
  }
  document.getElementById(list).replaceChildren(...some.map((words) => make("option", { value: words })));
}

prepare();
update(false);
