// Cost along the network, a bar for each layer, and by type.

const CHART = { width: 760, height: 150, left: 52, right: 10, top: 18, bottom: 18 };

const SERIES = [
  { title: "MACs", of: (layer) => layer.macs || 0, text: (value) => `${countText(value)} MACs`, axis: bigText },
  { title: "Weights", of: (layer) => layer.learned, text: (value) => `${countText(value)} weights`, axis: bigText },
  { title: "Activation memory alive", of: (layer) => layer.live_bytes, text: sizeText, axis: (value) => `${value} MiB`, unit: 2 ** 20, area: true },
];

class ChartsView {
  constructor(section, report, families, onSelect) {
    Object.assign(this, { report, families, onSelect });
    this.x = d3.scaleBand(d3.range(report.layers.length), [CHART.left, CHART.width - CHART.right]).paddingInner(report.layers.length > 300 ? 0 : 0.15);
    const frame = d3.select(section).select(".along");
    this.charts = SERIES.map((series) => this.makeChart(frame.append("figure"), series));
    if (report.layers.length) this.makeTypes(d3.select(section).select(".types"));
  }

  makeChart(figure, series) {
    const { report } = this;
    const caption = figure.append("figcaption");
    caption.append("b").text(series.title);
    const says = caption.append("span").attr("class", "says");
    const svg = figure.append("svg").attr("viewBox", `0 0 ${CHART.width} ${CHART.height}`).attr("role", "img");
    svg.attr("aria-label", `${series.title} of each layer, along the network; the table holds the numbers`);
    const unit = series.unit || 1;
    const most = d3.max(report.layers, series.of) / unit || 1;
    const scale = d3.scaleLinear([0, most], [CHART.height - CHART.bottom, CHART.top]).nice(4);
    const y = (value) => scale(value / unit);
    const ticks = svg.append("g").attr("class", "axis").selectAll("g").data(scale.ticks(4).filter((value) => unit > 1 || Number.isInteger(value))).join("g");
    ticks.attr("transform", (value) => `translate(0,${scale(value)})`);
    ticks.append("line").attr("x1", CHART.left).attr("x2", CHART.width - CHART.right);
    ticks.append("text").attr("x", CHART.left - 6).attr("y", 3.5).text(series.axis);
    svg.append("text").attr("class", "note").attr("x", CHART.left).attr("y", CHART.height - 4).text("first layer");
    svg.append("text").attr("class", "note end").attr("x", CHART.width - CHART.right).attr("y", CHART.height - 4).text("last layer");
    if (series.area) this.drawArea(svg, series, y);
    else this.drawBars(svg, series, y);
    const cursor = svg.append("rect").attr("class", "cursor").attr("y", CHART.top).attr("height", CHART.height - CHART.top - CHART.bottom);
    const chart = { series, cursor, says };
    svg.on("pointermove", (event) => this.point(this.at(event))).on("pointerleave", () => this.point(this.selected));
    svg.on("click", (event) => this.onSelect(this.at(event)));
    return chart;
  }

  drawBars(svg, series, y) {
    const bars = svg.append("g").selectAll("rect").data(this.report.layers.map((layer, index) => ({ layer, index })));
    bars.enter().filter(({ layer }) => series.of(layer) > 0).append("rect")
      .attr("class", ({ layer }) => `bar f-${this.families.get(layer.type) || "other"}`)
      .attr("x", ({ index }) => this.x(index)).attr("width", Math.max(0.8, this.x.bandwidth()))
      .attr("y", ({ layer }) => y(series.of(layer))).attr("height", ({ layer }) => y(0) - y(series.of(layer)));
  }

  drawArea(svg, series, y) {
    const { layers } = this.report;
    const area = d3.area((_, i) => this.x(i) + this.x.bandwidth() / 2, y(0), (layer) => y(series.of(layer))).curve(d3.curveStep);
    svg.append("path").attr("class", "area").attr("d", area(layers));
    const peak = d3.maxIndex(layers, series.of);
    if (peak < 0) return;
    const x = this.x(peak) + this.x.bandwidth() / 2;
    const top = y(series.of(layers[peak]));
    const mark = svg.append("g").attr("class", "peak").attr("data-peak", peak);
    mark.append("line").attr("x1", x).attr("x2", x).attr("y1", top).attr("y2", y(0));
    mark.append("circle").attr("cx", x).attr("cy", top).attr("r", 4);
    const right = x < CHART.width / 2;
    mark.append("text").attr("x", x + (right ? 9 : -9)).attr("y", Math.max(11, top - 3)).attr("text-anchor", right ? "start" : "end")
      .text(`peak ${sizeText(layers[peak].live_bytes)} at ${shortened(layers[peak].name, 40)}`);
  }

  at(event) {
    const [x] = d3.pointer(event);
    const last = this.report.layers.length - 1;
    return last < 0 ? null : Math.max(0, Math.min(last, Math.floor((x - CHART.left) / this.x.step())));
  }

  point(index) {
    const layer = index === null || index === undefined ? null : this.report.layers[index];
    for (const { series, cursor, says } of this.charts) {
      cursor.attr("x", layer ? this.x(index) - 1 : -9).attr("width", layer ? this.x.bandwidth() + 2 : 0);
      says.text(layer ? `${shortened(layer.name, 40)}: ${series.text(series.of(layer))}` : "");
    }
  }

  show(index) {
    this.selected = index;
    this.point(index);
  }

  makeTypes(table) {
    const groups = d3.rollups(this.report.layers, (layers) => ({
      layers: layers.length, weights: d3.sum(layers, (each) => each.learned), macs: d3.sum(layers, (each) => each.macs || 0),
      flops: d3.sum(layers, (each) => each.flops || 0), activations: d3.sum(layers, (each) => each.activations),
    }), ({ type }) => type);
    const rows = groups.map(([type, sums]) => ({ type, ...sums })).sort((a, b) => b.flops - a.flops || b.weights - a.weights);
    const columns = ["layers", "macs", "weights", "flops", "activations"];
    const heads = table.append("thead").append("tr").selectAll("th").data(["type", ...columns]).join("th").attr("scope", "col").text(String);
    heads.classed("number", (_, i) => i > 0);
    const lines = table.append("tbody").selectAll("tr").data(rows).join("tr");
    const first = lines.append("th").attr("scope", "row");
    first.append("span").attr("class", ({ type }) => `dot f-${this.families.get(type) || "other"}`);
    first.append("span").text(({ type }) => printable(type));
    for (const column of columns) {
      const total = d3.sum(rows, (row) => row[column]) || 1;
      const cells = lines.append("td").attr("class", "number share");
      cells.append("span").attr("class", ({ type }) => `fill f-${this.families.get(type) || "other"}`)
        .style("width", (row) => `${(100 * row[column]) / total}%`);
      cells.append("span").text((row) => countText(row[column]));
    }
  }
}
