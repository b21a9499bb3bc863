// table.js: the table of results: order, filter, notes, provenance on demand.

// Notes below the table; equal texts share a number.
const notes = [];
function noteMarks(texts) {
  return texts.map(text => {
    if (!notes.includes(text)) notes.push(text);
    const number = notes.indexOf(text) + 1;
    return el('sup', {}, el('a', {href: `#note-${number}`, title: text}, `[${number}]`));
  });
}

function collapseNote(row) {
  const worst = row.notes.worst_ops ? `; worst ops ${row.notes.worst_ops}` : '';
  return `${row.method}: collapsed to under half of float32\u2019s accuracy${worst}`;
}

// The badges of a row and why it has them.
function rowMarks(row) {
  const marks = [];
  const add = (kind, name, texts) => marks.push(' ', el('span', {class: 'mark'}, el('span', {class: `badge ${kind}`}, name), noteMarks(texts)));
  if (row.status !== 'measured') {
    add(row.status === 'not_run' ? '' : 'bad', STATUS_TEXT[row.status], row.reasons);
    return marks;
  }
  if (row.warning) add('warn', 'warning', row.reasons.filter(text => text === row.warning || row.seeds === row.seeds_asked));
  if (row.seeds < row.seeds_asked) add('warn', 'seed missing', row.reasons.filter(text => text !== row.warning));
  if (row.collapsed) add('warn', 'collapsed', [collapseNote(row)]);
  if (row.uncommitted) add('warn', 'uncommitted', ['measured by a program of uncommitted sources']);
  return marks;
}

function measuredCell(row) {
  if (row.status !== 'measured') return rowMarks(row);
  return [el('span', {class: row.standing === 'best' ? 'best' : null}, meanText(row)), ...rowMarks(row)];
}

function publishedCell(row) {
  if (!row.published) return ABSENT;
  return [percent(row.published.top1_fraction),
          ...(row.published.elsewhere ? noteMarks([`published: ${row.published.source}`]) : [])];
}

function imagesCell(row) {
  if (row.seeds === 0) return ABSENT;
  return row.min_images === row.images ? String(row.images) : `${row.min_images}\u2013${row.images}`;
}

function seedsCell(row) {
  if (row.seeds_asked === 0) return ABSENT;
  return row.seeds === row.seeds_asked ? String(row.seeds) : `${row.seeds} of ${row.seeds_asked}`;
}

const STANDING_TEXT = {best: '* best', tied: '~ tied'};
const GRID_TEXT = {integer: 'int', 'simulated only': 'sim', int8: 'int8'};
const VERDICT_KIND = {agrees: 'good', higher: 'warn', lower: 'bad', 'not comparable': ''};
const firstLatency = (row, name) => row.latencies.length > 0 ? row.latencies[0][name] : null;
const verdictBadge = row => row.verdict ? el('span', {class: `badge ${VERDICT_KIND[row.verdict] || ''}`, title: row.verdict_reason}, row.verdict) : ABSENT;

// Columns: key is what rows are ordered by, null where absent; cell is what is shown.  `when`: for which rows at least
// one must exist.
const COLUMNS = [
  {id: 'model', title: 'model', key: row => row.model, cell: row => row.model},
  {id: 'dataset', title: 'dataset', key: row => row.dataset, cell: row => row.dataset},
  {id: 'method', title: 'method', key: row => row.method, cell: row => row.method},
  {id: 'bits', title: 'W/A', num: true, key: row => row.w_bits * 100 + row.a_bits + (row.mixed ? 0.5 : 0), cell: row => row.bits},
  {id: 'published', title: 'published %', num: true, key: row => row.published ? row.published.top1_fraction : null, cell: publishedCell},
  {id: 'measured', title: 'measured %', num: true, key: row => row.top1_fraction, cell: measuredCell},
  {id: 'interval', title: '95 %', num: true, key: row => row.interval ? row.interval[0] : null,
   cell: row => row.interval ? `[${fixed(row.interval[0] * 100, 1)}, ${fixed(row.interval[1] * 100, 1)}]` : ABSENT},
  {id: 'standing', title: 'standing', key: row => row.standing, cell: row => STANDING_TEXT[row.standing] || ABSENT},
  {id: 'change', title: 'change', num: true, key: row => row.change_fraction,
   cell: row => [points(row.change_fraction), ...(isKnown(row.change_fraction) ? [] : noteMarks(row.caveats))]},
  {id: 'adjusted_p', title: 'adjusted p', num: true, when: row => isKnown(row.adjusted_p), key: row => row.adjusted_p, cell: row => probability(row.adjusted_p)},
  {id: 'images', title: 'images', num: true, key: row => row.seeds > 0 ? row.images : null, cell: imagesCell},
  {id: 'seeds', title: 'seeds', num: true, key: row => row.seeds_asked > 0 ? row.seeds : null, cell: seedsCell},
  {id: 'size', title: 'size MB', num: true, key: row => row.size_bytes, cell: row => megabytes(row.size_bytes)},
  {id: 'paper_size', title: 'paper MB', num: true, key: row => row.paper_size_bytes, cell: row => megabytes(row.paper_size_bytes)},
  {id: 'calibrate', title: 'calib s', num: true, key: row => row.calibrate_seconds, cell: row => fixed(row.calibrate_seconds, 1)},
  {id: 'grids', title: 'grids', key: row => row.grids, cell: row => GRID_TEXT[row.grids] || ABSENT},
  {id: 'float_ms', title: 'float ms', num: true, when: row => row.latencies.length > 0, key: row => firstLatency(row, 'float_median_ns'),
   cell: row => milliseconds(firstLatency(row, 'float_median_ns'))},
  {id: 'int8_ms', title: 'int8 ms', num: true, when: row => row.latencies.length > 0, key: row => firstLatency(row, 'integer_median_ns'),
   cell: row => milliseconds(firstLatency(row, 'integer_median_ns'))},
  {id: 'ratio', title: '\u00d7 float', num: true, when: row => row.latencies.length > 0, key: row => firstLatency(row, 'ratio'),
   cell: row => row.latencies.length > 0 ? ratioText(row.latencies[0]) : ABSENT},
  {id: 'verdict', title: 'verdict', when: row => isKnown(row.verdict), key: row => row.verdict, cell: verdictBadge},
];

// Ascending or descending; what is absent is last either way, and what is equal keeps its place.
function compareKeys(a, b, direction) {
  if (!isKnown(a) || !isKnown(b)) return (isKnown(a) ? 0 : 1) - (isKnown(b) ? 0 : 1);
  const order = typeof a === 'number' ? a - b : a.localeCompare(b, 'en', {numeric: true});
  return direction === 'descending' ? -order : order;
}

class ResultsTable {
  constructor(table) {
    this.table = table;
    this.columns = COLUMNS.filter(column => !column.when || DATA.rows.some(column.when));
    this.sorted = null;  // {id, direction}; null: the order of the table itself
    this.entries = DATA.rows.map((row, index) => ({row, index, body: this.makeBody(row)}));
    this.groups = new Map(DATA.rows.map(row => [groupName(row), this.makeGroup(row)]));
    table.append(this.makeHead());
    this.arrange();
  }

  makeHead() {
    const cells = this.columns.map(column => el('th', {scope: 'col', class: column.num ? 'num' : column.id, 'data-column': column.id, 'aria-sort': 'none'},
        el('button', {type: 'button', onclick: () => this.sortBy(column.id)}, column.title)));
    const provenanceHead = el('th', {class: 'plain', scope: 'col'}, el('span', {title: 'provenance'}, '\u00a0'));
    return el('thead', {}, el('tr', {}, provenanceHead, cells));
  }

  makeGroup(row) {
    return el('tbody', {class: 'group'}, el('tr', {}, el('th', {scope: 'colgroup', colspan: this.columns.length + 1}, el('span', {}, groupName(row)))));
  }

  makeBody(row) {
    const toggle = el('button', {type: 'button', class: 'toggle', 'aria-expanded': 'false',
                                 'aria-label': `Provenance of ${row.model} ${rowName(row)}`, title: 'Provenance'}, '+');
    const cells = this.columns.map(column => {
      const content = [column.cell(row)].flat();
      const state = content[0] === ABSENT ? ' absent' : '';
      const attributes = {class: (column.num ? 'num' : column.id) + state, 'data-column': column.id};
      return column.id === 'method' ? el('th', {...attributes, scope: 'row'}, content) : el('td', attributes, content);
    });
    const mark = row.status !== 'measured' ? row.status : row.collapsed ? 'collapsed' : row.warning ? 'warned' : 'measured';
    const body = el('tbody', {class: mark}, el('tr', {class: 'row'}, el('td', {}, toggle), cells));
    toggle.addEventListener('click', () => this.toggleProvenance(row, body, toggle));
    return body;
  }

  toggleProvenance(row, body, toggle) {
    const opened = toggle.getAttribute('aria-expanded') !== 'true';
    if (body.rows.length === 1) {
      body.append(el('tr', {}, el('td', {class: 'provenance', colspan: this.columns.length + 1}, provenance(row))));
    }
    body.rows[1].hidden = !opened;
    toggle.setAttribute('aria-expanded', String(opened));
    toggle.textContent = opened ? '\u2212' : '+';
  }

  sortBy(id) {
    const again = this.sorted && this.sorted.id === id && this.sorted.direction === 'ascending';
    this.sorted = {id, direction: again ? 'descending' : 'ascending'};
    this.arrange();
  }

  resetOrder() {
    this.sorted = null;
    this.arrange();
  }

  arrange() {
    for (const head of this.table.tHead.rows[0].cells) {
      if (!head.dataset.column) continue;
      const isSorted = this.sorted && this.sorted.id === head.dataset.column;
      head.setAttribute('aria-sort', isSorted ? this.sorted.direction : 'none');
    }
    for (const group of this.groups.values()) group.remove();
    this.table.classList.toggle('grouped', this.sorted === null);
    if (this.sorted === null) this.appendGrouped(); else this.appendSorted();
    this.filter();
  }

  appendGrouped() {
    for (const entry of this.entries) {
      const group = this.groups.get(groupName(entry.row));
      if (!group.isConnected) this.table.append(group);
      this.table.append(entry.body);
    }
  }

  appendSorted() {
    const {id, direction} = this.sorted;
    const key = this.columns.find(column => column.id === id).key;
    const order = [...this.entries].sort((a, b) => compareKeys(key(a.row), key(b.row), direction) || a.index - b.index);
    this.table.append(...order.map(entry => entry.body));
  }

  // Shows the rows that hold every word and are of the model; "" is every model.
  filter(text = this.text || '', model = this.model || '') {
    this.text = text;
    this.model = model;
    const words = text.toLowerCase().split(/\s+/).filter(word => word);
    const shownGroups = new Set();
    let shown = 0;
    for (const {row, body} of this.entries) {
      const content = [row.model, row.dataset, row.method, row.bits, STATUS_TEXT[row.status], row.verdict, row.standing, GRID_TEXT[row.grids],
                       row.collapsed ? 'collapsed' : '', row.warning ? 'warning' : ''].join(' ').toLowerCase();
      body.hidden = !((model === '' || row.model === model) && words.every(word => content.includes(word)));
      if (body.hidden) continue;
      shownGroups.add(groupName(row));
      ++shown;
    }
    for (const [name, group] of this.groups) group.hidden = !shownGroups.has(name);
    byId('shown').textContent = shown === this.entries.length ? plural(shown, 'row') : `${shown} of ${plural(this.entries.length, 'row')}`;
  }
}

function fillResults() {
  const table = new ResultsTable(byId('table'));
  byId('notes').append(...notes.map((text, index) => el('li', {id: `note-${index + 1}`}, text)));
  byId('notes').hidden = notes.length === 0;
  const models = distinct(DATA.rows.map(row => row.model));
  byId('model').append(el('option', {value: ''}, 'all'), ...models.map(model => el('option', {value: model}, model)));
  byId('model-label').hidden = models.length < 2;
  byId('filter').addEventListener('input', event => table.filter(event.target.value, byId('model').value));
  byId('model').addEventListener('change', event => table.filter(byId('filter').value, event.target.value));
  byId('default-order').addEventListener('click', () => table.resetOrder());
}
