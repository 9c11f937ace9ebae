// Elements. Words go in as text only, through `shown`; no HTML is ever read from them.

const SVG = "http://www.w3.org/2000/svg";
// They turn the words around them or hide: they are written out instead.
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/g;

function shown(words) {
  return words.replace(CONTROLS, (c) => `[U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);
}

function clip(words, length) {
  const letters = [...words.slice(0, 2 * length)];
  return letters.length > length ? `${letters.slice(0, length - 1).join("")}…` : words;
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.startsWith("--")) element.style.setProperty(key, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined) element.append(child instanceof Node ? child : shown(String(child)));
  }
  return element;
}

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// A name or title: whatever letters it is in, it does not disturb its neighbours.
function name(words, length = 120) {
  return make("bdi", { title: words.length > length ? clip(words, 500) : null }, clip(words, length));
}

function shape(stance) {
  return draw("svg", { class: "shape", "aria-hidden": "true" }, draw("use", { href: `#${stance.name}` }));
}

function badge(stance, ...after) {
  return make("span", { class: `badge ${stance.name}` }, shape(stance), stance.word, ...after);
}

// How many of each act: shape and number, and the words for those who hear the page.
function acts(claims) {
  const counts = tally(claims.map((claim) => claim.stance));
  const some = STANCES.filter((stance) => counts.has(stance));
  return make("span", { class: "acts" }, some.map((stance) =>
    make("span", { class: `act ${stance.name}`, title: `${counts.get(stance)} ${stance.many}` },
      shape(stance), number(counts.get(stance)), make("span", { class: "unseen" }, ` ${stance.many} `))));
}

function bar(claims, most) {
  const counts = tally(claims.map((claim) => claim.stance));
  return make("span", { class: "bar", "aria-hidden": "true", "--share": `${(100 * claims.length) / most}%` },
    STANCES.filter((stance) => counts.has(stance)).map((stance) =>
      make("span", { class: stance.name, "--share": counts.get(stance) })));
}

function number(value) {
  return value.toLocaleString("en");
}

function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

function percent(value) {
  return `${Math.round(100 * value)}%`;
}

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" });

function date(article) {
  return article.day ? DAY.format(new Date(article.day)) : article.date && clip(article.date, 40);
}

function speakerOf(claim) {
  if (claim.speaker === "author") return make("span", {}, "the reporter");
  return claim.speaker === null ? make("span", { class: "unnamed" }, "speaker unclear") : name(claim.speaker);
}

// A list that is made as far as it is looked at.
function lazily(list, items, render, step = 40) {
  let next = 0;
  const holder = make(list.tagName === "OL" || list.tagName === "UL" ? "li" : "div", { class: "rest" });
  const button = make("button", { type: "button", onclick: () => {
    const first = next;
    more();
    list.children[first]?.querySelector("a, summary, button")?.focus();
  } });
  holder.append(button);
  const watcher = new IntersectionObserver((seen) => seen.some((entry) => entry.isIntersecting) && more(),
    { rootMargin: "600px" });
  const more = (until = next + step) => {
    holder.remove();
    while (next < Math.min(items.length, until)) list.append(render(items[next], next++));
    if (next < items.length) {
      button.textContent = `Show more (${number(items.length - next)} left)`;
      list.append(holder);
      watcher.unobserve(holder); // looked at anew, even where it has not moved
      watcher.observe(holder);
    }
  };
  more();
  return (index) => index >= next && more(index + 1);
}
