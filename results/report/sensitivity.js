// sensitivity.js: what quantizing one part of a model alone costs, as heat maps.

// Magma from its light end: dark is noisy.
const HEAT = ['#fcfdbf', '#fec488', '#fb8861', '#e75263', '#b73779', '#7b2382', '#451077', '#1d0c45'].map(hexColour);

// share 0: quiet, 1: noisy.
function heatColour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (HEAT.length - 1);
  const low = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[low].map((value, i) => Math.round(value + (HEAT[low + 1][i] - value) * (place - low)));
}

function decibelRange(record) {
  const values = record.cells.map(cell => cell.signal_to_noise_db).filter(isKnown);
  return values.length > 0 ? {low: Math.min(...values), high: Math.max(...values)} : {low: 0, high: 0};
}

function heatCell(cell, record, range) {
  if (!cell) return el('td', {}, '');
  const images = record.dataset.images;
  const noise = isKnown(cell.signal_to_noise_db) ? `${cell.signal_to_noise_db.toFixed(1)} dB` : 'equal outputs';
  const title = `${cell.unit} at ${cell.num_bits} bits: ${noise}; ${cell.changed} of ${images} images answered otherwise; top-1 ${percent(cell.top1_correct / images)} %`;
  if (!isKnown(cell.signal_to_noise_db)) return el('td', {class: 'equal', title}, '=');
  const element = el('td', {title}, cell.signal_to_noise_db.toFixed(1));
  const span = range.high - range.low;
  paint(element, heatColour(span > 0 ? (range.high - cell.signal_to_noise_db) / span : 0));
  return element;
}

// names of rows and columns: [title, key]; find(row key, column key) -> cell.
function heatTable(caption, corner, rows, columns, find, record, range) {
  const head = el('tr', {}, el('th', {scope: 'col'}, corner), columns.map(([title]) => el('th', {scope: 'col'}, title)));
  const body = rows.map(([title, row]) => el('tr', {}, el('th', {scope: 'row'}, title),
                                            columns.map(([, column]) => heatCell(find(row, column), record, range))));
  const table = el('table', {class: 'heat', 'aria-label': caption}, el('thead', {}, head), el('tbody', {}, body));
  return el('figure', {}, el('figcaption', {}, caption), el('div', {class: 'scroll'}, table));
}

const findCell = (record, unit, bits) => record.cells.find(cell => cell.unit === unit && cell.num_bits === bits);

function unitTable(caption, units, widths, record, range) {
  return heatTable(caption, record.grouping, units.map(unit => [unit, unit]), widths.map(bits => [`${bits} bits`, bits]),
                   (unit, bits) => findCell(record, unit, bits), record, range);
}

// A grid for each width where units are ops of blocks, and one table of what is left.
function heatMaps(record, range) {
  const units = distinct(record.cells.map(cell => cell.unit));
  const widths = distinct(record.cells.map(cell => cell.num_bits)).sort((a, b) => b - a);
  const inBlocks = units.map(unit => /^blocks\.(\d+)\.(.+)$/.exec(unit)).filter(isKnown);
  if (inBlocks.length === 0) return [unitTable(`by ${record.grouping}`, units, widths, record, range)];
  const blocks = distinct(inBlocks.map(match => match[1])).sort((a, b) => a - b);
  const kinds = distinct(inBlocks.map(match => match[2]));
  const grids = widths.map(bits => heatTable(`${bits} bits`, 'block', blocks.map(block => [block, block]), kinds.map(kind => [kind.split('.').pop(), kind]),
                                             (block, kind) => findCell(record, `blocks.${block}.${kind}`, bits), record, range));
  const others = units.filter(unit => !unit.startsWith('blocks.'));
  return others.length > 0 ? [...grids, unitTable('outside the blocks', others, widths, record, range)] : grids;
}

function heatScale(range) {
  const bar = el('span', {class: 'bar', 'aria-hidden': 'true'});
  bar.style.background = `linear-gradient(to right, ${HEAT.map(colour => `rgb(${colour.join(',')})`).join(', ')})`;
  const texts = [`${range.high.toFixed(1)} dB`, `${range.low.toFixed(1)} dB, noisy`, '\u201c=\u201d: equal outputs'].map(text => el('span', {}, text));
  return el('div', {class: 'scale'}, texts[0], bar, texts[1], texts[2]);
}

function sensitivityPart(record) {
  const range = decibelRange(record);
  const images = record.dataset.images;
  const text = `Each ${record.grouping} quantized alone, all else in float32: signal to noise of the logits in dB. ` +
      `Scales by ${record.method} (version ${record.method_version}${record.parameters ? ', ' + record.parameters : ''}) from ` +
      `${plural(record.calibration.images, 'image')} of ${record.calibration.name}, seed ${record.seed}; ${plural(images, 'image')} of ${record.dataset.name}; ` +
      `float32 top-1 ${percent(record.float_top1_correct / images)} %; finished ${record.finished_utc}.`;
  return [el('h3', {}, `${record.title}: by ${record.grouping}`), el('p', {class: 'quiet'}, text), heatScale(range),
          el('div', {class: 'maps'}, heatMaps(record, range))];
}

function fillSensitivity(section) {
  if (DATA.sensitivities.length === 0) section.append(el('p', {}, 'No sensitivity study of these models is stored.'));
  for (const record of DATA.sensitivities) section.append(...sensitivityPart(record));
}
