// charts.js: accuracy against size and against latency, with the Pareto front.

// Twelve colours and seven shapes: a pair repeats after 84 methods.  In an order in which two of one shape, seven apart,
// differ in what colour-blind readers see too, lightness or blue against yellow.
const METHOD_COLOURS = {
  light: ['#0072b2', '#d55e00', '#00866a', '#aa3377', '#2391bd', '#882255', '#555555', '#a87500', '#332288', '#c22f9a', '#587a00', '#7a4a2b'],
  dark: ['#56b4e9', '#ff9a57', '#3ccfa0', '#f291c7', '#9be7ff', '#e8789f', '#c4c4c4', '#f0c945', '#a9a3ff', '#ff7be5', '#b8d94c', '#d9a98a'],
};
const SHAPES = [['circle', 0], ['triangle', 0], ['rect', 0], ['rectRot', 0], ['triangle', 180], ['star', 0], ['crossRot', 0]];
const METHODS = distinct(DATA.rows.filter(row => !isFloat(row)).map(row => row.method));
const darkTheme = matchMedia('(prefers-color-scheme: dark)');

const themeColour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const methodColour = method => METHOD_COLOURS[darkTheme.matches ? 'dark' : 'light'][METHODS.indexOf(method) % 12];
const methodShape = method => SHAPES[METHODS.indexOf(method) % SHAPES.length];

// Those that no other beats in both: from the smallest on, each more accurate than all before it.
function paretoFront(points) {
  const order = [...points].sort((a, b) => a.x - b.x || b.y - a.y);
  let best = -Infinity;
  return order.filter(point => point.y > best && (best = point.y, true));
}

// Draws the 95 % intervals behind the points, and widths beside them where there is room.
const pointLabels = {
  id: 'pointLabels',
  beforeDatasetsDraw(chart) {
    const {ctx, scales: {y}} = chart;
    ctx.save();
    ctx.globalAlpha = 0.35;
    forEachPoint(chart, (element, point, dataset) => {
      if (!point.row.interval) return;
      ctx.strokeStyle = dataset.borderColor;
      ctx.beginPath();
      ctx.moveTo(element.x, clampTo(y, point.row.interval[0] * 100));
      ctx.lineTo(element.x, clampTo(y, point.row.interval[1] * 100));
      ctx.stroke();
    });
    ctx.restore();
  },
  afterDatasetsDraw(chart) {
    const {ctx, chartArea} = chart;
    const taken = lineBoxes(chart);
    forEachPoint(chart, element => taken.push({left: element.x - 5, right: element.x + 5, top: element.y - 5, bottom: element.y + 5}));
    ctx.save();
    ctx.font = `11px ${Chart.defaults.font.family}`;
    ctx.fillStyle = themeColour('quiet');
    ctx.textBaseline = 'middle';
    forEachPoint(chart, (element, point) => placeLabel(ctx, chartArea, taken, element, point.row.bits));
    ctx.restore();
  },
};

function clampTo(scale, value) {
  return Math.min(Math.max(scale.getPixelForValue(value), scale.top), scale.bottom);
}

function forEachPoint(chart, visit) {
  chart.data.datasets.forEach((dataset, index) => {
    if (!dataset.isMethod || !chart.isDatasetVisible(index)) return;
    chart.getDatasetMeta(index).data.forEach((element, i) => visit(element, dataset.data[i], dataset));
  });
}

// The boxes around the steps of the lines, which no label may cross.
function lineBoxes(chart) {
  const boxes = [];
  chart.data.datasets.forEach((dataset, index) => {
    if (dataset.isMethod || !chart.isDatasetVisible(index)) return;
    const places = chart.getDatasetMeta(index).data;
    for (let i = 1; i < places.length; ++i) {
      const from = places[i - 1], to = places[i];
      boxes.push({left: from.x, right: to.x, top: from.y - 1, bottom: from.y + 1},
                 {left: to.x - 1, right: to.x + 1, top: Math.min(from.y, to.y), bottom: Math.max(from.y, to.y)});
    }
  });
  return boxes;
}

function placeLabel(ctx, area, taken, element, text) {
  const width = ctx.measureText(text).width;
  const offsets = [[8, 0], [-8 - width, 0], [-width / 2, 13], [-width / 2, -13], [7, 10], [7, -10], [-7 - width, 10], [-7 - width, -10]];
  for (const [dx, dy] of offsets) {
    const box = {left: element.x + dx, right: element.x + dx + width, top: element.y + dy - 6, bottom: element.y + dy + 6};
    const inside = box.left >= area.left && box.right <= area.right && box.top >= area.top && box.bottom <= area.bottom;
    const free = taken.every(other => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom);
    if (!inside || !free) continue;
    taken.push(box);
    ctx.fillText(text, box.left, element.y + dy);
    return;
  }
}

// A saved picture must not be transparent.
const opaqueGround = {
  id: 'opaqueGround',
  beforeDraw(chart) {
    chart.ctx.save();
    chart.ctx.fillStyle = themeColour('ground');
    chart.ctx.fillRect(0, 0, chart.width, chart.height);
    chart.ctx.restore();
  },
};

function padded(values, share) {
  const low = Math.min(...values), high = Math.max(...values);
  const margin = high > low ? (high - low) * share : Math.abs(high) * 0.05 || 1;
  return {min: low - margin, max: high + margin};
}

const heights = point => [point.y, ...(point.row.interval || []).map(end => end * 100)];

function methodDatasets(shown) {
  return [...groupBy(shown, point => point.row.method)].map(([method, data]) => {
    const [pointStyle, rotation] = methodShape(method);
    const colour = methodColour(method);
    return {label: method, data, isMethod: true, borderColor: colour, backgroundColor: colour, pointStyle, rotation, pointRotation: rotation,
            pointRadius: 5, pointHoverRadius: 7, pointBorderWidth: pointStyle === 'star' || pointStyle === 'crossRot' ? 2 : 1, order: 1};
  });
}

function lineDataset(label, data, colour, dash, more) {
  return {label, data, showLine: true, pointRadius: 0, pointHitRadius: 0, pointHoverRadius: 0, pointStyle: 'line', borderColor: colour,
          backgroundColor: colour, borderWidth: 1.5, borderDash: dash, order: 2, ...more};
}

function chartDatasets(group, shown, x) {
  const front = lineDataset('Pareto front', paretoFront(shown), themeColour('text'), [], {stepped: 'before'});
  if (!isKnown(group.float)) return [...methodDatasets(shown), front];
  const ends = [x.min, x.max].map(end => ({x: end, y: group.float * 100}));
  return [...methodDatasets(shown), front, lineDataset(`float32 (${percent(group.float)} %)`, ends, themeColour('quiet'), [6, 4])];
}

// Chart.js's own, with a gap behind the shape.
function legendLabels(chart) {
  return Chart.defaults.plugins.legend.labels.generateLabels(chart).map(label => {
    const dashed = chart.data.datasets[label.datasetIndex].borderDash || [];
    return {...label, lineDash: [], text: ` ${label.text}${dashed.length > 0 ? ', dashed' : ''}`};
  });
}

function tooltipLines(point, axis) {
  const {row} = point;
  const interval = row.interval ? ` [${fixed(row.interval[0] * 100, 1)}, ${fixed(row.interval[1] * 100, 1)}]` : '';
  return [`${row.method} ${row.bits}`, `top-1 ${meanText(row)} %${interval}`, axis.tooltip(point),
          ...(row.change_fraction === null ? [] : [`change ${points(row.change_fraction)} points`])];
}

function chartOptions(group, axis, x, y) {
  const text = themeColour('text'), quiet = themeColour('quiet'), line = themeColour('line');
  const scale = (title, range, digits) => ({type: 'linear', ...range, title: {display: true, text: title, color: text}, grid: {color: line, borderColor: line},
                                            ticks: {color: quiet, maxRotation: 0, includeBounds: false, callback: value => value.toFixed(digits(range))}});
  const digits = range => range.max - range.min > 12 ? 0 : range.max - range.min > 1.5 ? 1 : 2;
  return {
    animation: false, responsive: true, maintainAspectRatio: false, devicePixelRatio: Math.max(2, window.devicePixelRatio),
    scales: {x: scale(axis.title, x, digits), y: scale('top-1 %', y, digits)},
    plugins: {
      title: {display: true, text: group.name, color: text, font: {weight: '600'}},
      legend: {position: 'bottom', labels: {color: text, usePointStyle: true, boxHeight: 7, padding: 10, generateLabels: legendLabels}},
      tooltip: {filter: item => item.dataset.isMethod, usePointStyle: true,
                callbacks: {title: () => '', label: item => tooltipLines(item.raw, axis)}},
    },
  };
}

function chartSummary(group, shown, axis) {
  const name = point => `${point.row.method} ${point.row.bits} ${point.y.toFixed(2)} % at ${axis.tooltip(point)}`;
  const float = isKnown(group.float) ? ` float32 ${percent(group.float)} %.` : '';
  return `${axis.name}, ${group.name}: ${plural(shown.length, 'quantized row')}.${float} Pareto front: ${paretoFront(shown).map(name).join('; ')}.`;
}

const floatOf = rows => (rows.find(row => isFloat(row) && isKnown(row.top1_fraction)) || {top1_fraction: null}).top1_fraction;

function pointsOf(rows, axisValue) {
  return rows.filter(row => !isFloat(row) && isKnown(row.top1_fraction) && isKnown(axisValue(row)))
      .map(row => ({x: axisValue(row), y: row.top1_fraction * 100, row}));
}

// One choice of the selector: a model on a data set, with its points.
function sizeGroups() {
  return [...groupBy(DATA.rows, groupName)]
      .map(([name, rows]) => ({name, float: floatOf(rows), points: pointsOf(rows, row => isKnown(row.size_bytes) ? row.size_bytes / 1e6 : null)}));
}

const settingName = record => `batch ${record.batch}, ${plural(record.threads, 'thread')}`;

function latencyGroups() {
  return [...groupBy(DATA.rows, groupName)].flatMap(([name, rows]) => {
    const settings = distinct(rows.flatMap(row => row.latencies.map(settingName)));
    return settings.map(setting => {
      const recordOf = row => row.latencies.find(record => settingName(record) === setting);
      const value = row => recordOf(row) ? recordOf(row).integer_median_ns / 1e6 : null;
      return {name: `${name} \u00b7 ${setting}`, float: floatOf(rows), points: pointsOf(rows, value)};
    });
  });
}

const AXES = {
  size: {name: 'Accuracy against size', title: 'size, MB', tooltip: point => `${point.x.toFixed(2)} MB`},
  latency: {name: 'Accuracy against latency', title: 'int8, ms for one forward pass', tooltip: point => `${point.x.toFixed(2)} ms`},
};

function savePng(canvas, name) {
  canvas.toBlob(blob => {
    const address = URL.createObjectURL(blob);
    const file = name.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
    el('a', {href: address, download: `${file}.png`}).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  });
}

class Plot {
  constructor(section, id, groups) {
    this.axis = AXES[id];
    this.groups = groups;
    this.canvas = el('canvas', {id: `chart-${id}`, role: 'img'});
    this.select = el('select', {id: `group-${id}`, onchange: () => this.draw()}, groups.map((group, index) => el('option', {value: index}, group.name)));
    this.collapsed = el('input', {type: 'checkbox', id: `collapsed-${id}`, onchange: () => this.draw()});
    this.collapsedLabel = el('label', {}, this.collapsed, el('span', {}));
    const save = el('button', {type: 'button', id: `save-${id}`, onclick: () => savePng(this.canvas, `${this.axis.name} ${this.group().name}`)}, 'Save PNG');
    section.append(el('div', {class: 'controls'}, el('label', {}, 'Plot', this.select)),
                   el('figure', {class: 'plot'}, el('div', {class: 'canvas'}, this.canvas), el('div', {class: 'below'}, save, this.collapsedLabel)));
    this.draw();
  }

  group() { return this.groups[Number(this.select.value)]; }

  draw() {
    const group = this.group();
    const collapsed = group.points.filter(point => point.row.collapsed).length;
    this.collapsedLabel.hidden = collapsed === 0;
    this.collapsedLabel.lastChild.textContent = ` with ${plural(collapsed, 'row')} that collapsed to under half of float32`;
    const shown = group.points.filter(point => this.collapsed.checked || !point.row.collapsed);
    const x = padded(shown.map(point => point.x), 0.08);
    const y = padded([...shown.flatMap(heights), ...(isKnown(group.float) ? [group.float * 100] : [])], 0.05);
    if (this.chart) this.chart.destroy();
    this.chart = new Chart(this.canvas, {type: 'scatter', data: {datasets: chartDatasets(group, shown, x)},
                                         options: chartOptions(group, this.axis, x, y), plugins: [opaqueGround, pointLabels]});
    this.canvas.setAttribute('aria-label', chartSummary(group, shown, this.axis));
  }
}

function fillPlot(section, id, groups, nothing) {
  const drawn = groups.filter(group => group.points.length > 0);
  if (drawn.length === 0) {
    section.append(el('p', {}, nothing));
    return;
  }
  const plot = new Plot(section, id, drawn);
  darkTheme.addEventListener('change', () => plot.draw());
}

function fillPlots() {
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  fillPlot(byId('size'), 'size', sizeGroups(), 'No quantized row was measured.');
  fillPlot(byId('latency'), 'latency', latencyGroups(), 'No row of this table was timed.');
  const missing = DATA.latencies_missing;
  if (missing > 0) byId('latency').append(el('p', {class: 'quiet'}, `${plural(missing, 'setting')} of the spec not timed yet: ptqbench run measures what it can.`));
}
