// What is asked for. It stands in the address after the `#`, so that it can be linked to; other addresses lead to sections.

const ORDERS = {
  "": ["surest first", (a, b) => (b.probability ?? -1) - (a.probability ?? -1)],
  unsure: ["unsurest first", (a, b) => (a.probability ?? 2) - (b.probability ?? 2)],
  text: ["as in the articles", () => 0],
  long: ["longest first", (a, b) => content(b).length - content(a).length],
};
const KEYS = ["set", "kind", "gold", "found", "given", "slice", "change", "least", "most", "words", "sort"];
let asked = fromAddress();

function fromAddress() {
  const given = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  return Object.fromEntries([...KEYS, "quote"].map((key) => [key, given.get(key) ?? ""]));
}

function address(changes = {}) {
  const some = Object.entries({ ...asked, ...changes }).filter(([, value]) => value);
  return some.length ? `#${new URLSearchParams(some)}` : "#mistakes";
}

// Without a change that is asked for, what only this model gets right is no mistake.
function select() {
  const parts = folded(asked.words).split(/\s+/).filter(Boolean);
  const least = asked.least === "" ? null : Number(asked.least) / 100;
  const most = asked.most === "" ? null : Number(asked.most) / 100;
  const label = (one) => one?.stance ?? "";
  const found = cases.filter((one) =>
    (!asked.set || page.sets[one.article.set] === asked.set)
    && (asked.change ? one.change === asked.change : one.kinds.length > 0)
    && (!asked.kind || one.kinds.includes(asked.kind))
    && (!asked.gold || (asked.gold === "nothing" ? !one.gold : label(one.gold) === asked.gold))
    && (!asked.found || (asked.found === "nothing" ? !one.found : label(one.found) === asked.found))
    && (!asked.given || (asked.given === "none" ? !one.given : one.given?.[0] === asked.given))
    && (!asked.slice || one.traits.has(asked.slice))
    && (least === null || (one.probability !== null && one.probability >= least))
    && (most === null || (one.probability !== null && one.probability <= most))
    && parts.every((part) => searchable(one).includes(part)));
  const order = (ORDERS[asked.sort] ?? ORDERS[""])[1];
  return found.sort((a, b) => order(a, b) || a.order - b.order);
}
