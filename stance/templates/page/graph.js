// A drawing of names and arrows. Names push each other away and arrows pull them together, always in the same way.

const HEIGHT = 30, GAP = 20, SPACE = 34, ROUNDS = 400;

function graph(pairs) {
  if (!pairs.length) return null;
  const width = Math.max(300, Math.min(1180, document.getElementById("main").clientWidth - 50));
  const nodes = new Map();
  const node = (words) => {
    if (!nodes.has(words)) nodes.set(words, { words, label: shown(clip(words, width < 500 ? 20 : 30)), out: 0, in: 0, links: [] });
    return nodes.get(words);
  };
  const links = pairs.map(({ speaker, target, times }) => {
    const link = { from: node(speaker), to: node(target), times };
    link.from.out += times;
    link.to.in += times;
    link.from.links.push(link);
    link.to.links.push(link);
    return link;
  });
  const all = [...nodes.values()];
  measure(all);
  const height = arrange(all, links, width);
  const most = Math.max(...links.map((link) => link.times));
  const drawing = draw("svg", {
    class: "graph", viewBox: `0 0 ${width} ${height}`, width, height, role: "group",
    "aria-label": `A drawing of who accuses whom: ${count(all.length, "name")}, ${count(links.length, "arrow")}. The table below says the same.`,
  }, draw("defs", {}, draw("marker", {
    id: "arrow", viewBox: "0 0 10 10", refX: "9", refY: "5", markerWidth: "11", markerHeight: "11",
    markerUnits: "userSpaceOnUse", orient: "auto-start-reverse",
  }, draw("path", { d: "M0 .8 10 5 0 9.2z" }))));
  for (const link of links) drawing.append(link.element = arrow(link, most));
  for (const one of all) drawing.append(pill(one));
  return make("div", { class: "drawing" }, drawing);
}

function measure(all) {
  const brush = document.createElement("canvas").getContext("2d");
  brush.font = `500 13px ${getComputedStyle(document.body).fontFamily}`;
  for (const one of all) one.width = Math.min(280, Math.ceil(brush.measureText(one.label).width) + 24);
}

// Arranges those that hang together by themselves, and sets the groups beside each other like words in lines.
function arrange(all, links, width) {
  let x = 0, y = 0, line = 0;
  const left = groups(all, links);
  for (const group of left) {
    settle(group, width);
    group.box = bounds(group);
  }
  while (left.length) {
    let next = left.findIndex(({ box }) => x + box.width <= width);
    if (next < 0 && x) [x, y, line] = [0, y + line + SPACE, 0];
    next = Math.max(next, 0);
    const [{ nodes, box }] = left.splice(next, 1);
    for (const one of nodes) {
      one.x += x - box.left;
      one.y += y - box.top;
    }
    x += box.width + SPACE;
    line = Math.max(line, box.height);
  }
  return Math.ceil(y + line + 2);
}

function groups(all, links) {
  const found = [], seen = new Set();
  for (const one of all) {
    if (seen.has(one)) continue;
    const nodes = [one];
    seen.add(one);
    for (const at of nodes) {
      for (const { from, to } of at.links) {
        for (const next of [from, to]) if (!seen.has(next)) { seen.add(next); nodes.push(next); }
      }
    }
    found.push({ nodes, links: links.filter((link) => nodes.includes(link.from)) });
  }
  return found.sort((one, other) => other.nodes.length - one.nodes.length);
}

function bounds({ nodes }) {
  const left = Math.min(...nodes.map((one) => one.x - one.width / 2)) - 2;
  const right = Math.max(...nodes.map((one) => one.x + one.width / 2)) + 2;
  const top = Math.min(...nodes.map((one) => one.y)) - HEIGHT / 2 - 2;
  const bottom = Math.max(...nodes.map((one) => one.y)) + HEIGHT / 2 + 2;
  return { left, top, width: right - left, height: bottom - top };
}

function settle({ nodes, links }, width) {
  if (nodes.length === 2) return pair(links, width);
  const flat = width > 700 ? 2 : 1.1; // names are wider than high, and so is a screen
  nodes.forEach((one, i) => {
    const turn = i * 2.39996, far = 60 * Math.sqrt(i);
    one.x = width / 2 + far * Math.cos(turn) * flat;
    one.y = far * Math.sin(turn);
  });
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of nodes) one.dx = one.dy = 0;
    for (let i = 0; i < nodes.length; i++) {
      for (let j = 0; j < i; j++) push(nodes[i], nodes[j], flat, 9000);
    }
    for (const { from, to } of links) pull(from, to, flat);
    for (const one of nodes) {
      move(one, (width / 2 - one.x) * 0.01, -one.y * 0.015);
      const step = Math.hypot(one.dx, one.dy) || 1, most = 2 + 26 * (1 - round / ROUNDS);
      one.x += (one.dx / step) * Math.min(step, most);
      one.y += (one.dy / step) * Math.min(step, most);
    }
    if (round % 5 === 0) apart(nodes, width);
  }
  for (let i = 0; i < 300 && apart(nodes, width); i++);
}

// Two names: who accuses on the left, or above where it is narrow.
function pair(links, width) {
  const { from, to } = links[0];
  const beside = from.width + to.width + 66 <= width;
  [from.x, from.y] = [from.width / 2, 0];
  [to.x, to.y] = beside ? [from.width + 60 + to.width / 2, 0] : [to.width / 2, HEIGHT + 40];
}

function push(one, other, flat, force) {
  const x = (one.x - other.x) / flat, y = one.y - other.y;
  const length = Math.hypot(x, y) + 0.01, far = force / (x * x + y * y + 60);
  move(one, (x / length) * far * flat, (y / length) * far);
  move(other, (-x / length) * far * flat, (-y / length) * far);
}

function pull(one, other, flat) {
  const x = (other.x - one.x) / flat, y = other.y - one.y;
  const length = Math.hypot(x, y) + 0.01, near = 0.09 * (length - 80);
  move(one, (x / length) * near * flat, (y / length) * near);
  move(other, (-x / length) * near * flat, (-y / length) * near);
}

function move(one, x, y) {
  one.dx += x;
  one.dy += y;
}

// Moves names off each other, the short way, and into the drawing.
function apart(all, width) {
  let moved = false;
  for (const one of all) one.x = Math.max(one.width / 2 + 4, Math.min(width - one.width / 2 - 4, one.x));
  for (let i = 0; i < all.length; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [all[i], all[j]];
      const x = (a.width + b.width) / 2 + GAP - Math.abs(a.x - b.x), y = HEIGHT + GAP - Math.abs(a.y - b.y);
      if (x <= 0.5 || y <= 0.5) continue;
      moved = true;
      const both = a.width + b.width + GAP + 8 > width;
      if (x < y && !both) {
        const way = a.x < b.x ? -1 : 1;
        a.x += (way * x) / 2;
        b.x -= (way * x) / 2;
      } else {
        const way = a.y < b.y ? -1 : 1;
        a.y += (way * y) / 2;
        b.y -= (way * y) / 2;
      }
    }
  }
  return moved;
}

function arrow({ from, to, times }, most) {
  // Two who accuse each other have two arrows, each a little to the left of the straight way.
  const bend = to.links.some((link) => link.to === from) ? 0.16 : 0;
  const x = to.x - from.x, y = to.y - from.y;
  const middle = { x: (from.x + to.x) / 2 + y * bend, y: (from.y + to.y) / 2 - x * bend };
  const [start, end] = [border(from, middle, 1), border(to, middle, 3)];
  return draw("path", {
    class: "arrow", d: `M${start} Q${round(middle.x)} ${round(middle.y)} ${end}`, "marker-end": "url(#arrow)",
    "stroke-width": (1.4 + (3 * (times - 1)) / Math.max(1, most - 1)).toFixed(1),
  }, draw("title", {}, `${from.label} accuses ${to.label}: ${count(times, "time")}`));
}

// Where the way from a name's middle to a point leaves its box.
function border(one, point, space) {
  const x = point.x - one.x || 0.01, y = point.y - one.y || 0.01;
  const share = Math.min((one.width / 2 + space) / Math.abs(x), (HEIGHT / 2 + space) / Math.abs(y));
  return `${round(one.x + x * share)} ${round(one.y + y * share)}`;
}

function round(value) {
  return value.toFixed(1);
}

function pill(one) {
  const lightUp = (on) => one.links.forEach((link) => link.element.classList.toggle("lit", on));
  const words = [one.out && `accuses ${count(one.out, "time")}`, one.in && `is accused ${count(one.in, "time")}`].filter(Boolean).join(", ");
  const role = one.out && one.in ? "both" : one.out ? "accuser" : "accused";
  const asks = one.out ? { speaker: one.words, target: "" } : { speaker: "", target: one.words };
  return draw("a", {
    href: address({ ...asks, view: "speakers" }), class: `pill ${role}`, "aria-label": `${clip(one.words, 80)}: ${words}`,
    onpointerenter: () => lightUp(true), onpointerleave: () => lightUp(false), onfocus: () => lightUp(true), onblur: () => lightUp(false),
  }, draw("title", {}, `${clip(one.words, 80)}: ${words}`),
    draw("rect", { x: round(one.x - one.width / 2), y: round(one.y - HEIGHT / 2), width: one.width, height: HEIGHT, rx: HEIGHT / 2 }),
    draw("text", { x: round(one.x), y: round(one.y + 4.5), "text-anchor": "middle" }, one.label));
}
