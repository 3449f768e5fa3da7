// The network as the graph shows it. A node is a layer with those that work in place behind it, or an input of the net;
// a scope is what layers share of their names before a slash. Names come from files: they are Map keys, never fields.

const DEEPEST = 8; // scopes within scopes; what a name holds beyond that stays in the name

function makeModel(report) {
  const model = { report, nodes: [], edges: [], nodeOf: [], root: makeScope("", null) };
  const blobs = new Map(); // name -> who makes it, and its shape, up to the layer at hand
  const made = new Set(report.layers.flatMap((layer) => (layer.bottoms.length ? [] : layer.tops)));
  for (const [name, shape] of Object.entries(report.inputs)) {
    if (!made.has(name)) blobs.set(name, { node: addNode(model, name, []), shape });
  }
  report.layers.forEach((layer, index) => {
    const chained = inPlaceOf(layer, blobs);
    const node = chained || addNode(model, layer.name, []);
    node.layers.push(index);
    model.nodeOf.push(node);
    if (!chained) {
      for (const blob of layer.bottoms) connect(model, blobs.get(blob), node, blob);
    }
    layer.tops.forEach((top, i) => blobs.set(top, { node, shape: layer.shapes[i], only: layer.tops.length === 1 }));
  });
  addScopes(model);
  addLocalEdges(model);
  return model;
}

function makeScope(path, parent) {
  return { kind: "scope", key: `s${path}`, path, parent, children: [], layers: [], edges: [], laidOut: null };
}

function addNode(model, name, layers) {
  const node = { kind: "node", key: `n${model.nodes.length}`, name, layers, parent: null, before: [], after: [] };
  model.nodes.push(node);
  return node;
}

// The node that a layer joins: the maker of its only bottom, if it writes over that and nobody has read it before.
function inPlaceOf(layer, blobs) {
  if (layer.bottoms.length !== 1 || layer.tops.length !== 1 || layer.tops[0] !== layer.bottoms[0]) return null;
  const blob = blobs.get(layer.bottoms[0]);
  return blob && blob.only && !blob.read ? blob.node : null;
}

function connect(model, blob, node, name) {
  if (!blob) return;
  blob.read = true;
  model.edges.push({ from: blob.node, to: node, blob: name, shape: blob.shape });
  blob.node.after.push(node);
  node.before.push(blob.node);
}

// Scopes

function addScopes(model) {
  const scopes = new Map([["", model.root]]);
  model.nodes.forEach((node, index) => {
    const parts = node.name.split("/").slice(0, -1).slice(0, DEEPEST);
    if (scopes.has(node.name)) parts.push(node.name.split("/").at(-1)); // what a block ends on has the block's name
    let parent = model.root;
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = parts.slice(0, depth).join("/");
      let scope = scopes.get(path);
      if (!scope) {
        scope = makeScope(path, parent);
        scope.first = index;
        scopes.set(path, scope);
        parent.children.push(scope);
      }
      scope.last = index;
      parent = scope;
    }
    node.parent = parent;
    parent.children.push(node);
  });
  dissolveLoops(model);
  dissolveSingles(model.root);
  model.scopes = [...scopes.values()].filter((scope) => scope !== model.root && scope.children.length);
  for (const node of model.nodes) {
    for (let scope = node.parent; scope; scope = scope.parent) scope.layers.push(...node.layers);
  }
}

// A scope that the network leaves and enters again would, drawn as one box, be before and after itself: it has no box.
function dissolveLoops(model) {
  const scopes = [model.root];
  while (scopes.length) {
    const scope = scopes.pop();
    for (let loop = loopIn(model, scope); loop.length; loop = loopIn(model, scope)) {
      const widest = d3.greatest(loop, ({ first, last }) => last - first); // it may be what winds around the others
      scope.children = scope.children.flatMap((child) => (child === widest ? child.children : [child]));
      for (const child of scope.children) child.parent = scope;
    }
    scopes.push(...scope.children.filter((child) => child.kind === "scope"));
  }
}

// The scopes among a scope's children that lie on a way from one of the children back to it, or between two such.
function loopIn(model, scope) {
  const children = new Set(scope.children);
  const childOf = (node) => {
    let each = node;
    while (each && each.parent !== scope) each = each.parent;
    return each;
  };
  const links = model.edges.map(({ from, to }) => [childOf(from), childOf(to)]).filter(([a, b]) => a && b && a !== b);
  removeEnds(children, links, 0, 1);
  removeEnds(children, links, 1, 0);
  return [...children].filter((child) => child.kind === "scope");
}

// Take away, again and again, what nothing leads to.
function removeEnds(children, links, from, to) {
  const waits = new Map([...children].map((child) => [child, 0]));
  const next = new Map([...children].map((child) => [child, []]));
  for (const link of links) {
    if (!children.has(link[from]) || !children.has(link[to])) continue;
    waits.set(link[to], waits.get(link[to]) + 1);
    next.get(link[from]).push(link[to]);
  }
  const free = [...children].filter((child) => !waits.get(child));
  while (free.length) {
    const child = free.pop();
    children.delete(child);
    for (const after of next.get(child)) {
      waits.set(after, waits.get(after) - 1);
      if (!waits.get(after)) free.push(after);
    }
  }
}

// A scope of one thing says nothing: that thing takes its place.
function dissolveSingles(scope) {
  scope.children = scope.children.map((child) => {
    if (child.kind === "node") return child;
    dissolveSingles(child);
    if (child.children.length > 1) return child;
    const only = child.children[0];
    child.children = [];
    only.parent = scope;
    return only;
  });
}

// An edge becomes one piece in each scope that it passes: within the scope that holds both ends, from child to child;
// in the scopes below, from the child to a port on the border, or from a port to the child.
function addLocalEdges(model) {
  model.edges.forEach((edge) => {
    const up = ancestors(edge.from);
    const down = ancestors(edge.to);
    const common = down.find((each) => up.includes(each));
    const port = `${edge.from.key} ${edge.blob}`;
    const start = up[up.indexOf(common) - 1];
    const end = down[down.indexOf(common) - 1];
    addPiece(common, { from: start.key, to: end.key, port, edge });
    for (let i = 0; up[i + 1] !== common; i++) addPiece(up[i + 1], { from: up[i].key, to: `>${port}`, port, edge });
    for (let i = 0; down[i + 1] !== common; i++) addPiece(down[i + 1], { from: `<${port}`, to: down[i].key, port, edge });
  });
}

function ancestors(node) {
  const found = [];
  for (let each = node; each; each = each.parent) found.push(each);
  return found;
}

function addPiece(scope, piece) {
  const same = scope.seen || (scope.seen = new Set());
  const key = `${piece.from}|${piece.to}|${piece.port}`;
  if (same.has(key)) return;
  same.add(key);
  scope.edges.push(piece);
}

// Words and numbers

// Text of a file as a page may show it: what does not print, or turns the writing around, is spelt out as Python does.
function printable(text) {
  return text.replace(/(?! )[\p{C}\p{Z}]/gu, (c) => {
    const code = c.codePointAt(0);
    const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return `\\${letter}${code.toString(16).padStart(digits, "0")}`;
  });
}

function shortened(text, most) {
  const characters = [...printable(text)];
  if (characters.length <= most) return characters.join("");
  const tail = Math.floor(most / 2);
  return `${characters.slice(0, most - tail - 1).join("")}…${characters.slice(-tail).join("")}`;
}

const shapeText = (shape) => (shape.length ? shape.join("×") : "scalar");
const counts = new Intl.NumberFormat("en-US");
const order = new Intl.Collator("en", { numeric: true }).compare;
const countText = (number) => (number === null ? "?" : counts.format(number));
const sizeText = (bytes) =>
  bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : bytes >= 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${bytes} B`;
const pairText = (pair) => (pair === null ? "" : pair[0] === pair[1] ? `${pair[0]}` : `${pair[0]}×${pair[1]}`);
const bigText = d3.format(".3~s");
