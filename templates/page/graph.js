// The graph on the screen: drawn with d3, panned and zoomed by mouse, touch and keys.

const STEP = 80; // pixels that an arrow key with Alt moves
const MARGIN = 8;

class GraphView {
  constructor(frame, model, families, onSelect) {
    Object.assign(this, { frame, model, families, onSelect, selected: null, hits: new Set(), marks: new Map() });
    this.open = new Set(model.nodes.length <= 40 ? model.scopes.map((scope) => scope.key) : []);
    this.svg = d3.select(frame).select("svg");
    this.canvas = this.svg.append("g");
    this.most = d3.max(model.report.layers, (layer) => layer.macs || 0) || 1;
    this.zoom = d3.zoom().scaleExtent([0.02, 4]).on("zoom", ({ transform }) => this.canvas.attr("transform", transform));
    this.svg.call(this.zoom).on("dblclick.zoom", null);
    this.svg.on("keydown", (event) => this.key(event));
    this.draw();
    this.start();
  }

  // Folding

  isOpen = (scope) => this.open.has(scope.key);

  toggle(scope) {
    const before = this.placeOf(scope);
    if (!this.open.delete(scope.key)) this.open.add(scope.key);
    this.draw();
    const after = this.placeOf(scope);
    this.zoom.translateBy(this.svg, before.x - after.x, before.y - after.y);
  }

  setAll(open) {
    this.open = new Set(open ? this.model.scopes.map((scope) => scope.key) : []);
    this.draw();
    this.start();
  }

  placeOf(item) {
    return this.drawing.items.find((each) => each.item === item);
  }

  // Drawing

  draw() {
    this.drawing = layoutGraph(this.model, this.isOpen);
    this.canvas.selectAll("*").remove();
    const scopes = this.drawing.items.filter(({ open }) => open);
    const others = this.drawing.items.filter(({ open }) => !open);
    this.canvas.append("g").selectAll("g").data(scopes).join("g").each((place, i, all) => this.drawScope(d3.select(all[i]), place));
    this.drawEdges(this.canvas.append("g").attr("class", "edges"));
    this.canvas.append("g").selectAll("g.item").data(others).join("g").each((place, i, all) => this.drawItem(d3.select(all[i]), place));
    this.mark();
  }

  drawScope(group, { item, x, y, width, height }) {
    group.attr("class", "scope open").attr("transform", `translate(${x},${y})`).attr("data-scope", item.path);
    group.append("rect").attr("class", "frame").attr("width", width).attr("height", height).attr("rx", 10);
    const head = group.append("g").attr("class", "fold").on("click", () => this.toggle(item));
    head.append("rect").attr("width", width).attr("height", SCOPE_HEAD).attr("rx", 10);
    head.append("text").attr("x", 12).attr("y", 17).text(`− ${titleOf(item)}`);
    head.append("title").text(`${printable(item.path)}: fold`);
  }

  drawItem(group, place) {
    group.attr("class", "item").attr("transform", `translate(${place.x},${place.y})`);
    if (place.item.kind === "scope") this.drawFolded(group, place);
    else this.drawNode(group, place);
  }

  drawFolded(group, { item, width, height }) {
    const layers = item.layers.map((index) => this.model.report.layers[index]);
    group.attr("class", "item scope folded").attr("data-scope", item.path).on("click", () => this.toggle(item));
    group.append("rect").attr("class", "under").attr("x", 4).attr("y", 4).attr("width", width).attr("height", height).attr("rx", 8);
    group.append("rect").attr("class", "box").attr("width", width).attr("height", height).attr("rx", 8);
    group.append("text").attr("class", "name").attr("x", 12).attr("y", 20).text(`+ ${titleOf(item)}`);
    const macs = d3.sum(layers, (layer) => layer.macs || 0);
    group.append("text").attr("class", "type").attr("x", 12).attr("y", 37).text(`${layers.length} layers · ${bigText(macs)} MACs`);
    group.append("title").text(`${printable(item.path)}: ${layers.length} layers; click to unfold`);
  }

  drawNode(group, { item, width, height }) {
    const rows = rowsOf(this.model, item);
    const family = item.layers.length ? this.familyOf(item.layers[0]) : "input";
    group.attr("class", `item node f-${family}`).attr("data-node", item.key);
    group.append("rect").attr("class", "box").attr("width", width).attr("height", height).attr("rx", 6);
    group.append("path").attr("class", "band").attr("d", `M6,0H5A5,5 0 0 0 0,5V${height - 5}A5,5 0 0 0 5,${height}H6Z`);
    const lines = group.selectAll("g.row").data(rows).join("g").attr("class", (_, i) => (i ? "row more" : "row head"));
    lines.attr("transform", (_, i) => `translate(0,${i ? HEAD + ROW * (i - 1) : 0})`);
    lines.append("rect").attr("class", "hit").attr("x", 6).attr("width", width - 7).attr("y", 1).attr("height", (_, i) => (i ? ROW : HEAD - 2));
    lines.filter((_, i) => i > 0).append("circle").attr("cx", 16).attr("cy", 9).attr("r", 3)
      .attr("class", ({ index }) => `dot f-${this.familyOf(index)}`);
    const base = (_, i) => (i ? 13 : 17);
    lines.append("text").attr("class", "name").attr("x", (_, i) => (i ? 24 : 14)).attr("y", base).text(({ name }) => name);
    lines.append("text").attr("class", "type").attr("x", width - 9).attr("y", base).text(({ type }) => type);
    lines.filter(({ index }) => index !== null).attr("data-layer", ({ index }) => index)
      .on("click", (event, { index }) => this.onSelect(index))
      .append("title").text(({ index }) => this.titleOf(index));
    this.drawCost(group, item, width, height);
  }

  // How much of the costliest layer's MACs this one has, as a bar along its foot.
  drawCost(group, item, width, height) {
    const macs = d3.sum(item.layers, (index) => this.model.report.layers[index].macs || 0);
    const length = ((width - 12) * macs) / this.most;
    if (length >= 1) group.append("rect").attr("class", "cost").attr("x", 6).attr("y", height - 2.5).attr("height", 2.5).attr("width", length);
  }

  drawEdges(group) {
    const line = d3.line((p) => p.x, (p) => p.y).curve(d3.curveMonotoneY);
    const edges = group.selectAll("g").data(this.drawing.edges).join("g").attr("class", "edge");
    edges.append("path").attr("d", ({ path }) => line(path)).attr("marker-end", ({ ends }) => (ends ? "url(#arrow)" : null));
    const labels = edges.append("g").attr("transform", ({ x, y }) => `translate(${x},${y})`);
    const width = ({ edge }) => shapeText(edge.shape).length * LABEL_WIDTH + 6;
    labels.append("rect").attr("x", (d) => -width(d) / 2).attr("y", -7).attr("width", width).attr("height", 14).attr("rx", 3);
    labels.append("text").attr("y", 3.5).text(({ edge }) => shapeText(edge.shape));
    labels.append("title").text(({ edge }) => printable(edge.blob));
  }

  familyOf(index) {
    return this.families.get(this.model.report.layers[index].type) || "other";
  }

  titleOf(index) {
    const layer = this.model.report.layers[index];
    const shapes = layer.shapes.map(shapeText).join(", ");
    return `${printable(layer.name)} (${printable(layer.type)})\n${shapes}\n${countText(layer.learned)} weights, ${countText(layer.macs)} MACs`;
  }

  // What is marked

  mark() {
    this.canvas.selectAll("[data-layer]").each((row, i, all) => {
      const index = row.index;
      all[i].classList.toggle("selected", index === this.selected);
      all[i].classList.toggle("found", this.hits.has(index));
      if (this.marks.has(index)) all[i].dataset.mark = this.marks.get(index);
    });
    this.canvas.selectAll("[data-node]").classed("chosen", ({ item }) => item.layers.includes(this.selected));
    this.canvas.selectAll("[data-scope]")
      .classed("found", ({ item }) => item.layers.some((index) => this.hits.has(index)))
      .classed("marked", ({ item }) => item.layers.some((index) => this.marks.has(index)));
    const node = this.model.nodeOf[this.selected];
    this.canvas.selectAll(".edge").classed("near", ({ edge }) => edge.from === node || edge.to === node);
  }

  find(hits) {
    this.hits = hits;
    this.mark();
  }

  // Select a layer, unfold what hides it, and bring it to the middle unless it is in sight.
  show(index, move = true) {
    this.selected = index;
    const node = this.model.nodeOf[index];
    const hidden = node ? ancestors(node).filter((each) => each.kind === "scope" && each.parent && !this.isOpen(each)) : [];
    for (const scope of hidden) this.open.add(scope.key);
    if (hidden.length) this.draw();
    else this.mark();
    if (node && move) this.centre(node);
  }

  centre(node) {
    const { x, y, width, height } = this.placeOf(node);
    if (this.transform().k < 0.5) this.zoom.scaleTo(this.svg, 0.9);
    this.zoom.translateTo(this.svg, x + width / 2, y + height / 2);
  }

  // Where we look

  transform() {
    return d3.zoomTransform(this.svg.node());
  }

  // From the top, as wide as fits, and large enough to read; where that is not all, with the first layers in the middle.
  start() {
    const { width, height } = this.svg.node().getBoundingClientRect();
    const whole = Math.min(width / this.drawing.width, height / this.drawing.height);
    const k = Math.min(1, Math.max(whole, Math.min(1, Math.max(0.55, width / this.drawing.width))));
    const first = this.model.nodes.find(({ before }) => before.length);
    const place = first && this.drawing.items.find(({ item, open }) => !open && ancestors(first).includes(item));
    const middle = place && k * this.drawing.width > width ? place.x + place.width / 2 : this.drawing.width / 2;
    this.zoom.transform(this.svg, d3.zoomIdentity.translate(width / 2 - k * middle, 4).scale(k));
  }

  fit() {
    const { width, height } = this.svg.node().getBoundingClientRect();
    const k = Math.min(1, (width - 2 * MARGIN) / this.drawing.width, (height - 2 * MARGIN) / this.drawing.height);
    const x = (width - k * this.drawing.width) / 2;
    this.zoom.transform(this.svg, d3.zoomIdentity.translate(x, (height - k * this.drawing.height) / 2).scale(k));
  }

  scale(factor) {
    this.zoom.scaleBy(this.svg, factor);
  }

  key(event) {
    const act = event.altKey ? this.panKeys[event.key] : this.keys[event.key];
    if (!act || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  }

  keys = {
    "+": () => this.scale(1.25),
    "=": () => this.scale(1.25),
    "-": () => this.scale(0.8),
    0: () => this.fit(),
    ArrowDown: () => this.step(1),
    ArrowUp: () => this.step(-1),
    ArrowRight: () => this.branch(1),
    ArrowLeft: () => this.branch(-1),
    Enter: () => this.foldSelected(),
    " ": () => this.foldSelected(),
  };

  panKeys = {
    ArrowDown: () => this.zoom.translateBy(this.svg, 0, -STEP / this.transform().k),
    ArrowUp: () => this.zoom.translateBy(this.svg, 0, STEP / this.transform().k),
    ArrowRight: () => this.zoom.translateBy(this.svg, -STEP / this.transform().k, 0),
    ArrowLeft: () => this.zoom.translateBy(this.svg, STEP / this.transform().k, 0),
  };

  // Along the network, layer by layer.
  step(by) {
    const last = this.model.report.layers.length - 1;
    const next = this.selected === null ? 0 : Math.min(last, Math.max(0, this.selected + by));
    if (last >= 0) this.onSelect(next);
  }

  // Among the nodes that read the same blob.
  branch(by) {
    const node = this.model.nodeOf[this.selected];
    const beside = node && node.before.length ? [...new Set(node.before[0].after)] : [];
    const next = beside[beside.indexOf(node) + by];
    if (next) this.onSelect(next.layers[0]);
  }

  foldSelected() {
    const node = this.model.nodeOf[this.selected];
    if (node && node.parent.parent) this.toggle(node.parent);
  }

  // On paper the whole graph, as wide as the page at most.
  print(on) {
    this.svg.attr("viewBox", on ? `0 0 ${this.drawing.width} ${this.drawing.height}` : null);
    this.svg.style("max-width", on ? `${this.drawing.width}px` : null);
    this.canvas.attr("transform", on ? null : this.transform());
  }
}
