// Where things are drawn. dagre lays out what a scope holds, innermost scopes first: an open scope is to the one around
// it a node of the size that its own layout took. So opening one moves what is around it, and lays out nothing else anew.

const ROW = 17;
const HEAD = 26;
const SCOPE_HEAD = 26;
const SCOPE_PAD = 14;
const NAME_MOST = 34;
const NAME_WIDTH = 6.75; // of a character of the graph's monospace font
const TYPE_WIDTH = 5.9;
const LABEL_WIDTH = 5.6;

function layoutGraph(model, isOpen) {
  const drawing = { items: [], edges: [], width: 0, height: 0 };
  const local = layoutScope(model, model.root, isOpen);
  drawing.width = local.width;
  drawing.height = local.height;
  placeScope(model.root, local, 0, 0, isOpen, drawing);
  return drawing;
}

function layoutScope(model, scope, isOpen) {
  const open = scope.children.filter((child) => child.kind === "scope" && isOpen(child));
  const inner = new Map(open.map((child) => [child.key, layoutScope(model, child, isOpen)]));
  const same = scope.laidOut;
  if (same && same.inner.size === inner.size && open.every((child) => same.inner.get(child.key) === inner.get(child.key))) {
    return same;
  }
  scope.laidOut = runDagre(model, scope, inner);
  return scope.laidOut;
}

function runDagre(model, scope, inner) {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", ranksep: 22, nodesep: 26, edgesep: 14 });
  for (const child of scope.children) {
    const size = inner.get(child.key) || sizeOf(model, child);
    graph.setNode(child.key, { width: size.width, height: size.height });
  }
  for (const { from, to, port, edge } of scope.edges) {
    for (const end of [from, to]) if (!graph.hasNode(end)) graph.setNode(end, { width: 2, height: 2 });
    const width = shapeText(edge.shape).length * LABEL_WIDTH + 10;
    graph.setEdge(from, to, { width, height: 14, labelpos: "c" }, port);
  }
  holdPorts(graph, "<", (port) => graph.setEdge("top", port, { weight: 50 }));
  holdPorts(graph, ">", (port) => graph.setEdge(port, "bottom", { weight: 50 }));
  if (scope.children.length) dagre.layout(graph);
  return asLocal(graph, scope, inner);
}

// Several ports of one side are held on one rank, by a node that is not drawn.
function holdPorts(graph, side, hold) {
  const ports = graph.nodes().filter((key) => key.startsWith(side));
  if (ports.length < 2) return;
  graph.setNode(side === "<" ? "top" : "bottom", { width: 2, height: 2 });
  ports.forEach(hold);
}

function asLocal(graph, scope, inner) {
  const size = scope.children.length ? graph.graph() : { width: 0, height: 0 };
  const head = scope.parent ? SCOPE_HEAD : 0;
  const title = scope.parent ? 60 + NAME_WIDTH * titleOf(scope).length : 0;
  const width = Math.max(size.width + 2 * SCOPE_PAD, title);
  const left = (width - size.width) / 2;
  const moved = ({ x, y }) => ({ x: x + left, y: y + head + SCOPE_PAD });
  const places = new Map(graph.nodes().map((key) => [key, { ...graph.node(key), ...moved(graph.node(key)) }]));
  const edges = scope.edges.map((piece) => {
    const laid = graph.edge(piece.from, piece.to, piece.port);
    return { piece, points: laid.points.map(moved), label: moved(laid) };
  });
  return { inner, places, edges, width, height: size.height + head + 2 * SCOPE_PAD };
}

function placeScope(scope, local, left, top, isOpen, drawing) {
  for (const child of scope.children) {
    const { x, y, width, height } = local.places.get(child.key);
    const corner = { x: left + x - width / 2, y: top + y - height / 2 };
    const inside = local.inner.get(child.key);
    drawing.items.push({ item: child, ...corner, width, height, open: Boolean(inside), within: scope });
    if (inside) placeScope(child, inside, corner.x, corner.y, isOpen, drawing);
  }
  for (const { piece, points, label } of local.edges) {
    const path = points.map(({ x, y }) => ({ x: x + left, y: y + top }));
    reachBorder(piece, path, local, left, top);
    const ends = !piece.to.startsWith(">") && !local.inner.has(piece.to);
    drawing.edges.push({ edge: piece.edge, path, x: label.x + left, y: label.y + top, ends });
  }
}

// The pieces of an edge meet on the borders of the scopes that it passes.
function reachBorder(piece, path, local, left, top) {
  const last = path.length - 1;
  const from = local.inner.get(piece.from);
  const to = local.inner.get(piece.to);
  if (from) path[0] = portOn(from, local.places.get(piece.from), `>${piece.port}`, left, top, 1);
  if (to) path[last] = portOn(to, local.places.get(piece.to), `<${piece.port}`, left, top, -1);
  if (piece.from.startsWith("<")) path.unshift({ x: path[0].x, y: top });
  if (piece.to.startsWith(">")) path.push({ x: path[path.length - 1].x, y: top + local.height });
}

function portOn(inside, place, port, left, top, side) {
  const x = left + place.x - place.width / 2 + inside.places.get(port).x;
  return { x, y: top + place.y + (side * place.height) / 2 };
}

// How large things are

function sizeOf(model, item) {
  if (item.kind === "scope") return { width: Math.max(150, 56 + NAME_WIDTH * titleOf(item).length), height: 48 };
  const rows = rowsOf(model, item);
  const width = Math.max(...rows.map(({ name, type }) => 40 + NAME_WIDTH * [...name].length + TYPE_WIDTH * [...type].length));
  return { width: Math.max(116, Math.ceil(width)), height: HEAD + ROW * (rows.length - 1) + (rows.length > 1 ? 6 : 0) };
}

// A scope's name without that of the scope around it.
function titleOf({ path, parent }) {
  return shortened(parent.path ? path.slice(parent.path.length + 1) : path, NAME_MOST);
}

// What a node says: a line for each of its layers, names without what the node or the scope around it says already.
function rowsOf(model, node) {
  if (!node.layers.length) return [{ name: shortened(node.name, NAME_MOST), type: "input", index: null }];
  const within = node.parent.path ? `${node.parent.path}/` : "";
  return node.layers.map((index, i) => {
    const { name, type } = model.report.layers[index];
    const prefix = i && name.startsWith(`${node.name}/`) ? `${node.name}/` : name.startsWith(within) ? within : "";
    return { name: shortened(name.slice(prefix.length) || "(no name)", NAME_MOST), type: shortened(type, 24), index };
  });
}
