// The layers as a table: every number of the report, sorted by any column, filtered by text and type.

const COLUMNS = [
  { key: "index", title: "#", number: true, of: (row) => row.index + 1 },
  { key: "name", title: "layer", of: (row) => row.name, text: (row) => printable(row.name) || "(no name)" },
  { key: "type", title: "type", of: (row) => row.type, text: (row) => printable(row.type) },
  { key: "shapes", title: "top", of: (row) => d3.max(row.shapes, (shape) => shape.reduce((a, b) => a * b, 1)) || 0,
    text: (row) => row.shapes.map(shapeText).join(", ") },
  ...["learned", "statistics", "macs", "flops", "activations", "live_bytes", "bytes_read", "bytes_written"].map((key) => ({
    key, title: { learned: "weights", live_bytes: "live bytes" }[key] || key.replace("_", " "), number: true, sum: key !== "live_bytes",
    of: (row) => row[key], text: (row) => countText(row[key]),
  })),
  { key: "intensity", title: "flops/byte", number: true, of: (row) => row.intensity,
    text: (row) => (row.intensity === null ? "?" : row.intensity.toFixed(2)) },
  { key: "field", title: "field px", number: true, of: (row) => row.receptive_field && row.receptive_field[0],
    text: (row) => pairText(row.receptive_field) },
  { key: "stride", title: "stride px", number: true, of: (row) => row.stride && row.stride[0], text: (row) => pairText(row.stride) },
];

class TableView {
  constructor(section, report, families, onSelect) {
    Object.assign(this, { section, report, families, onSelect, sort: COLUMNS[0], down: false });
    this.rows = report.layers.map((layer, index) => ({ ...layer, index }));
    this.table = d3.select(section).select("table");
    this.filter = section.querySelector("input");
    this.types = section.querySelector("select");
    for (const type of [...new Set(this.rows.map(({ type }) => type))].sort()) this.types.add(new Option(printable(type), type));
    this.filter.addEventListener("input", () => this.update());
    this.types.addEventListener("change", () => this.update());
    this.makeHead();
    this.makeRows();
    this.update();
  }

  makeHead() {
    const heads = this.table.select("thead tr").selectAll("th").data(COLUMNS).join("th").attr("scope", "col");
    heads.classed("number", ({ number }) => number).attr("data-column", ({ key }) => key);
    heads.append("button").attr("type", "button").text(({ title }) => title).on("click", (event, column) => this.sortBy(column));
  }

  makeRows() {
    const body = this.table.select("tbody");
    this.lines = body.selectAll("tr").data(this.rows).join("tr").attr("data-row", ({ index }) => index);
    this.lines.on("click", (event, { index }) => this.onSelect(index));
    this.lines.each((row, i, all) => all[i].append(...COLUMNS.map((column) => this.makeCell(row, column))));
  }

  // Without d3: there are many thousand of them.
  makeCell(row, column) {
    const cell = document.createElement("td");
    if (column.number) cell.className = "number";
    const text = (column.text || column.of)(row);
    if (column.key !== "name") {
      cell.textContent = text;
      return cell;
    }
    cell.className = "name";
    const [dot, button] = [document.createElement("span"), document.createElement("button")];
    dot.className = `dot f-${this.families.get(row.type) || "other"}`;
    Object.assign(button, { type: "button", className: "link", textContent: text });
    cell.append(dot, button);
    return cell;
  }

  sortBy(column) {
    this.down = this.sort === column ? !this.down : Boolean(column.number && column.key !== "index");
    this.sort = column;
    this.update();
  }

  // Values that are not known stand last, whichever way.
  compare = (a, b) => {
    const [x, y] = [this.sort.of(a), this.sort.of(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
    const by = typeof x === "string" ? order(x, y) : x - y;
    return (this.down ? -by : by) || a.index - b.index;
  };

  update() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (row) =>
      (!this.types.value || row.type === this.types.value) &&
      words.every((word) => `${row.name} ${row.type}`.toLowerCase().includes(word));
    const shown = this.rows.filter(fits);
    this.lines.attr("hidden", (row) => (fits(row) ? null : ""));
    this.lines.sort(this.compare);
    this.table.selectAll("th[data-column]").attr("aria-sort", ({ key }) =>
      key === this.sort.key ? (this.down ? "descending" : "ascending") : null);
    const totals = this.table.select("tfoot tr").selectAll("td").data(COLUMNS).join("td").classed("number", ({ number }) => number);
    totals.text((column) => (column.sum ? countText(d3.sum(shown, column.of)) : column.key === "name" ? `${shown.length} of ${this.rows.length} layers` : ""));
  }

  show(index) {
    const isIt = (row) => row.index === index;
    this.lines.classed("selected", isIt).attr("aria-current", (row) => (isIt(row) ? "true" : null));
  }

  // Bring a row into sight, and to the keyboard; filters that hide it are taken back.
  reveal(index) {
    const line = this.lines.nodes().find((each) => Number(each.dataset.row) === index);
    if (line.hidden) {
      this.filter.value = this.types.value = "";
      this.update();
    }
    line.scrollIntoView({ block: "center" });
    line.querySelector("button").focus({ preventScroll: true });
  }
}
