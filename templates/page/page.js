// What makes the parts one page: the data, what is selected, search, folding, themes, print.

const data = JSON.parse(document.getElementById("data").textContent);
const families = new Map(data.families);
const networks = [...document.querySelectorAll("[data-network]")].map((panel) => makeNetwork(panel));

function makeNetwork(panel) {
  const number = Number(panel.dataset.network);
  const { report, findings } = data.networks[number];
  const model = makeModel(report);
  const network = { number, panel, report, findings, views: [] };
  const part = (name) => document.querySelector(`[data-part="${name}"][data-of="${number}"]`);
  const select = (from) => (index) => choose(network, index, from);
  network.graph = new GraphView(panel, model, families, select("graph"));
  network.details = part("details");
  if (part("charts")) network.charts = new ChartsView(part("charts"), report, families, select("charts"));
  if (part("table")) network.table = new TableView(part("table"), report, families, select("table"));
  panel.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", () => actions[button.dataset.do](network)));
  makeSearch(network, panel.querySelector("input[type=search]"), panel.querySelector("output"));
  return network;
}

const actions = {
  in: ({ graph }) => graph.scale(1.3),
  out: ({ graph }) => graph.scale(1 / 1.3),
  fit: ({ graph }) => graph.fit(),
  start: ({ graph }) => graph.start(),
  unfold: ({ graph }) => graph.setAll(true),
  fold: ({ graph }) => graph.setAll(false),
};

// One layer is selected, in every part, and in the other network the one of its name; only the graph moves.
function choose(network, index, from) {
  showDetails(network, index);
  network.graph.show(index, from !== "graph" || !inSight(network, index));
  if (network.table) network.table.show(index);
  if (network.charts) network.charts.show(index);
  if (from === "twin") return;
  for (const other of networks) {
    if (other === network) continue;
    const twin = other.report.layers.findIndex(({ name }) => name === network.report.layers[index].name);
    if (twin >= 0) choose(other, twin, "twin");
  }
}

function inSight({ graph, panel }, index) {
  const line = panel.querySelector(`[data-layer="${index}"]`);
  if (!line) return false;
  const [a, b] = [line.getBoundingClientRect(), graph.svg.node().getBoundingClientRect()];
  return a.top > b.top && a.bottom < b.bottom && a.left > b.left && a.right < b.right && graph.transform().k > 0.4;
}

function showDetails({ report, findings, details, table }, index) {
  const layer = report.layers[index];
  const shapes = (names, list) => names.map((name, i) => `${printable(name)} ${shapeText(list[i])}`).join("\n") || "none";
  const share = (value, total) => (total ? ` (${((100 * value) / total).toFixed(1)} %)` : "");
  const rows = [
    ["tops", shapes(layer.tops, layer.shapes)],
    ["bottoms", layer.bottoms.map(printable).join("\n") || "none"],
    ["weight blobs", layer.weights.map(shapeText).join("\n") || "none"],
    ["weights", `${countText(layer.learned)} values${share(layer.learned, report.totals.weights)}`],
    ["statistics", `${countText(layer.statistics)} values`],
    ["MACs", `${countText(layer.macs)} multiply-adds${share(layer.macs || 0, report.totals.macs)}`],
    ["FLOPs", `${countText(layer.flops)} operations`],
    ["activations", `${countText(layer.activations)} values`],
    ["alive here", sizeText(layer.live_bytes)],
    ["moved", `${sizeText(layer.bytes_read)} read, ${sizeText(layer.bytes_written)} written`],
    ["field, stride", layer.receptive_field ? `${pairText(layer.receptive_field)}, ${pairText(layer.stride)} pixels of the input` : "all of the input, or none"],
    ...findings.filter((each) => each.layer === layer.name).map((each) => [`lint: ${each.rule}`, printable(each.message)]),
  ];
  const frame = d3.select(details).attr("hidden", null);
  frame.selectAll("*").remove();
  const head = frame.append("h3");
  head.append("span").attr("class", `dot f-${families.get(layer.type) || "other"}`);
  head.append("span").attr("class", "name").text(printable(layer.name) || "(no name)");
  head.append("small").text(printable(layer.type));
  const button = (text, act) => head.append("button").attr("type", "button").text(text).on("click", act);
  if (table) button("in table", () => table.reveal(index));
  button("close", () => (details.hidden = true));
  const pairs = frame.append("dl").selectAll("div").data(rows).join("div").attr("class", ([name]) => (name.startsWith("lint") ? "whole" : null));
  pairs.append("dt").text(([name]) => name);
  pairs.append("dd").text(([, value]) => value);
}

// Search

function makeSearch(network, input, output) {
  const { report, graph } = network;
  let hits = [];
  let at = -1;
  const look = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ name, type }) => words.every((word) => `${name} ${type}`.toLowerCase().includes(word));
    hits = words.length ? report.layers.flatMap((layer, index) => (fits(layer) ? [index] : [])) : [];
    at = -1;
    graph.find(new Set(hits));
    output.textContent = words.length ? `${hits.length} found` : "";
  };
  const go = (by) => {
    if (!hits.length) return;
    at = (at + by + hits.length) % hits.length;
    output.textContent = `${at + 1} of ${hits.length}`;
    choose(network, hits[at], "search");
  };
  input.addEventListener("input", look);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") go(event.shiftKey && at >= 0 ? -1 : event.shiftKey ? 0 : 1);
    if (event.key !== "Escape") return;
    input.value = "";
    look();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  networks[0].panel.querySelector("input[type=search]").focus();
});

// What names a layer elsewhere on the page leads to it.
document.querySelectorAll("[data-goto]").forEach((link) => {
  const [number, name] = JSON.parse(link.dataset.goto);
  const index = networks[number].report.layers.findIndex((layer) => layer.name === name);
  if (index < 0) link.disabled = true;
  else link.addEventListener("click", () => choose(networks[number], index, "search"));
});

// Marks of what changed between two networks.
for (const [number, name, mark] of data.marks) {
  networks[number].report.layers.forEach((layer, index) => layer.name === name && networks[number].graph.marks.set(index, mark));
}
for (const { graph } of networks) graph.mark();

// Themes: the reader's system decides, until the button does.

const themes = ["light dark", "light", "dark"];
const themeButton = document.querySelector("[data-theme-button]");
themeButton.addEventListener("click", () => {
  const now = themes.indexOf(document.documentElement.style.colorScheme || themes[0]);
  const next = themes[(now + 1) % themes.length];
  document.documentElement.style.colorScheme = next;
  themeButton.textContent = { "light dark": "theme: auto", light: "theme: light", dark: "theme: dark" }[next];
});

addEventListener("beforeprint", () => networks.forEach(({ graph }) => graph.print(true)));
addEventListener("afterprint", () => networks.forEach(({ graph }) => graph.print(false)));

document.documentElement.dataset.ready = Math.round(performance.now());
