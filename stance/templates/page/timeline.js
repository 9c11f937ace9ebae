// When: a row of columns for each stance, all to one scale, by day, week, month or year.

const MS = 86_400_000;
const STEPS = [
  { name: "day", most: 45, start: (day) => day, next: (day) => day + 1 },
  { name: "week", most: 60, start: (day) => day - ((((day + 3) % 7) + 7) % 7), next: (day) => day + 7 },
  { name: "month", most: 60, start: (day) => month(day, 0), next: (day) => month(day, 1) },
  { name: "year", most: Infinity, start: (day) => year(day, 0), next: (day) => year(day, 1) },
];

function month(day, more) {
  const at = new Date(day * MS);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + more, 1) / MS;
}

function year(day, more) {
  return Date.UTC(new Date(day * MS).getUTCFullYear() + more, 0, 1) / MS;
}

function iso(day) {
  return new Date(day * MS).toISOString().slice(0, 10);
}

function showTime(found, main) {
  const some = found.claims.filter((claim) => claim.article.day);
  if (!some.length) {
    main.append(make("p", { class: "nothing" }, dated ? "No claim with a date is like that. "
      : "No article here has a date that can be read in one way, such as 2024-05-03 or 3 May 2024. ",
      dated ? make("a", { href: address(NO_FILTERS) }, "Clear the filters") : null));
    return;
  }
  const dayOf = (claim) => Date.parse(claim.article.day) / MS;
  let first = Infinity, last = -Infinity;
  for (const claim of some) { first = Math.min(first, dayOf(claim)); last = Math.max(last, dayOf(claim)); }
  const step = STEPS.find((step) => buckets(step, first, last).length <= step.most);
  const times = buckets(step, first, last);
  for (const claim of some) {
    const start = step.start(dayOf(claim));
    times.find((time) => time.start === start).claims.push(claim);
  }
  const undated = found.claims.length - some.length;
  main.append(make("section", { class: "sheet", "aria-labelledby": "time-head" },
    make("h2", { id: "time-head" }, `Claims by ${step.name}`),
    make("p", { class: "aside" }, `${count(some.length, "claim")} by the day their articles were published. Choose a column to read them. `,
      undated ? `${count(undated, "claim has", "claims have")} no date and ${undated === 1 ? "is" : "are"} not in this drawing.` : null),
    columns(times, step), figures(times, step)));
}

function buckets(step, first, last) {
  const found = [];
  for (let start = step.start(first); start <= last && found.length < 1000; start = step.next(start)) {
    found.push({ start, end: step.next(start) - 1, claims: [] });
  }
  return found;
}

function label(time, step) {
  const at = new Date(time.start * MS);
  const write = (form) => new Intl.DateTimeFormat("en-GB", { ...form, timeZone: "UTC" }).format(at);
  if (step.name === "year") return write({ year: "numeric" });
  if (step.name === "month") return write({ month: "short", year: "numeric" });
  return `${step.name === "week" ? "week of " : ""}${write({ day: "numeric", month: "short", year: "numeric" })}`;
}

function columns(times, step) {
  const width = Math.max(300, Math.min(1180, document.getElementById("main").clientWidth - 50));
  const left = 8, top = 30, tall = 76, space = 42;
  const each = Math.min(60, (width - left) / times.length);
  const counted = times.map((time) => tally(time.claims.map((claim) => claim.stance)));
  const some = STANCES.filter((stance) => counted.some((counts) => counts.has(stance)));
  const most = Math.max(...counted.flatMap((counts) => [...counts.values()]));
  const height = some.length * (tall + space) + 34;
  const drawing = draw("svg", { class: "time", viewBox: `0 0 ${width} ${height}`, width, height, role: "group",
    "aria-label": `Columns of claims by ${step.name}. The table below says the same.` });
  some.forEach((stance, i) => {
    const base = top + tall + i * (tall + space);
    const sum = counted.reduce((all, counts) => all + (counts.get(stance) ?? 0), 0);
    drawing.append(
      draw("use", { href: `#${stance.name}`, x: left, y: base - tall - 19, width: 11, height: 11, class: `glyph ${stance.name}` }),
      draw("text", { x: left + 17, y: base - tall - 9, class: `row-name ${stance.name}` }, `${stance.word}: ${number(sum)}`),
      draw("line", { x1: left, x2: left + each * times.length, y1: base, y2: base, class: "axis" }));
  });
  times.forEach((time, i) => {
    if (!time.claims.length) return;
    const x = left + i * each;
    const words = `${label(time, step)}: ${some.map((stance) => `${counted[i].get(stance) ?? 0} ${stance.many}`).join(", ")}`;
    drawing.append(draw("a", { href: address({ from: iso(time.start), to: iso(time.end), view: "articles", article: "", claim: "" }), "aria-label": words, class: "column" },
      draw("title", {}, words),
      draw("rect", { x: round(x), y: 4, width: round(each), height: height - 34, class: "hit" }),
      some.map((stance, row) => {
        const value = counted[i].get(stance);
        if (!value) return null;
        const high = Math.max(2, (tall * value) / most), base = top + tall + row * (tall + space);
        return [draw("rect", { x: round(x + each * 0.12), y: round(base - high), width: round(Math.max(1, each * 0.76)), height: round(high), class: `fill ${stance.name}` }),
          each > 22 ? draw("text", { x: round(x + each / 2), y: round(base - high - 4), class: "value", "text-anchor": "middle" }, number(value)) : null];
      }).flat()));
  });
  const every = Math.ceil((step.name === "year" ? 46 : 96) / each);
  times.forEach((time, i) => {
    if (i % every || (i && left + i * each + (step.name === "year" ? 30 : 84) > width)) return;
    drawing.append(draw("text", { x: round(left + i * each + 2), y: height - 10, class: "tick" }, label(time, step).replace("week of ", "")));
  });
  return make("div", { class: "drawing" }, drawing);
}

function figures(times, step) {
  const some = times.filter((time) => time.claims.length);
  return make("details", { class: "figures" }, make("summary", {}, "The figures as a table"),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "The figures" }, make("table", { class: "plain" },
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, step.name), STANCES.map((stance) => make("th", { scope: "col" }, badge(stance))))),
      make("tbody", {}, some.map((time) => {
        const counts = tally(time.claims.map((claim) => claim.stance));
        return make("tr", {}, make("th", { scope: "row" }, label(time, step).replace("week of ", "")), STANCES.map((stance) => make("td", {}, number(counts.get(stance) ?? 0))));
      })))));
}
