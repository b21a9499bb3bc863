// bits.js: the widths of a plan's operands as a strip of coloured cells.

// Viridis; few bits are dark.
const BIT_COLOURS = {
  1: '#440154', 2: '#440154', 3: '#46327e', 4: '#365c8d', 5: '#277f8e', 6: '#1fa187', 7: '#4ac16d', 8: '#a0da39',
};
const bitColour = bits => hexColour(BIT_COLOURS[bits] || '#f5e04d');

function bitsText(operand) {
  if (!operand.channel_bits) return String(operand.num_bits);
  const [low, high] = operand.channel_bits;
  return low === high ? String(low) : `${low}-${high}`;
}

function operandTitle(operand) {
  const name = operand.side ? `${operand.op} ${operand.side}` : operand.op;
  return `${name}: ${bitsText(operand)} bits, ${operand.grid}, ${operand.granularity.replace('_', ' ')}`;
}

function bitCell(operand, op, side) {
  if (!operand) return el('span', {class: 'cell float', title: `${op} ${side}: float32`}, '\u00b7');
  const text = operand.channel_bits && operand.channel_bits[0] !== operand.channel_bits[1] ? '~' : bitsText(operand);
  const cell = el('span', {class: 'cell', title: operandTitle(operand)}, text);
  paint(cell, bitColour(operand.channel_bits ? operand.channel_bits[1] : operand.num_bits));
  return cell;
}

// Map from a key to the list of items that have it, in the order of first use.
function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) {
    if (!groups.has(key(item))) groups.set(key(item), []);
    groups.get(key(item)).push(item);
  }
  return groups;
}

// "block 3" of "blocks.3.attn.qkv"; the op itself elsewhere.
function partOf(op) {
  const match = /^blocks\.(\d+)\./.exec(op);
  return match ? `block ${match[1]}` : op.replace('.proj', '');
}

// "48 at 4 bits, 24 at 6 bits".
function bitCounts(operands) {
  const counts = [...groupBy(operands, bitsText)].sort((a, b) => parseInt(a[0], 10) - parseInt(b[0], 10));
  return counts.map(([bits, those]) => `${those.length} at ${bits} bits`).join(', ') || 'none';
}

function stripParts(operands) {
  const ops = groupBy(operands, operand => operand.op);
  return [...groupBy([...ops.keys()], partOf)].map(([part, names]) => {
    const cells = names.map(op => {
      const sides = ops.get(op);
      return el('span', {class: 'op'}, bitCell(sides.find(o => o.side === 'right'), op, 'right'),
                bitCell(sides.find(o => o.side === 'left'), op, 'left'));
    });
    return el('span', {class: 'part'}, el('span', {class: 'label'}, part), el('span', {class: 'ops'}, cells));
  });
}

function normStrip(inputs) {
  const cells = inputs.map(input => bitCell(input, input.op, ''));
  return [el('p', {class: 'quiet'}, `Inputs of LayerNorms: ${bitCounts(inputs)}.`),
          el('div', {class: 'strip', role: 'img', 'aria-label': `LayerNorm inputs: ${bitCounts(inputs)}`},
             el('span', {class: 'ops'}, cells))];
}

// A plan: upper cells the right operands, lower cells the left ones, op by op.
function strip(plan) {
  const right = plan.operands.filter(operand => operand.side === 'right');
  const left = plan.operands.filter(operand => operand.side === 'left');
  const summary = `right operands: ${bitCounts(right)}; left operands: ${bitCounts(left)}`;
  const parts = [el('p', {class: 'quiet'}, summary + '.'),
                 el('div', {class: 'strip', role: 'img', 'aria-label': summary}, stripParts(plan.operands))];
  return plan.norm_inputs.length > 0 ? [...parts, ...normStrip(plan.norm_inputs)] : parts;
}

const STRIP_LEGEND =
    'Upper cell: the op\u2019s right operand, its weight (of qk and pv an activation); lower cell: its left operand, ' +
    'an activation. A dot is float32. The tooltip of a cell names op, side, bits and grid.';

function bitSwatches(plans) {
  const bits = distinct(plans.flatMap(plan => plan.operands.map(operand => operand.num_bits))).sort((a, b) => a - b);
  return el('div', {class: 'swatches'}, bits.map(count => {
    const cell = el('span', {class: 'cell', 'aria-hidden': 'true'});
    paint(cell, bitColour(count));
    return el('span', {}, cell, plural(count, 'bit'));
  }));
}

// The plan of the row's first seed that has one.
function planOf(row) {
  const records = row.trials.map(trial => DATA.trials[trial.trial_key]);
  const planned = records.find(record => record && isKnown(record.plan));
  return planned ? {plan: DATA.plans[planned.plan], seed: planned.seed} : null;
}

function mixedStrips() {
  return DATA.rows.filter(row => row.mixed).map(row => ({row, found: planOf(row)})).filter(({found}) => found);
}

function fillBits(section) {
  const strips = mixedStrips();
  if (strips.length === 0) {
    section.append(el('p', {}, 'No row of this table mixes widths; the widths of a row\u2019s operands are in its provenance.'));
    return;
  }
  section.append(el('p', {class: 'quiet'}, STRIP_LEGEND), bitSwatches(strips.map(({found}) => found.plan)));
  for (const {row, found} of strips) {
    const seed = row.trials.length > 1 ? `, seed ${found.seed}` : '';
    section.append(el('h3', {}, `${groupName(row)}: ${rowName(row)}${seed}`), ...strip(found.plan));
  }
}
