// paper.js: published figures beside the measured ones.

function oursCell(row) {
  if (row.status !== 'measured') return STATUS_TEXT[row.status];
  return [meanText(row), el('span', {class: 'quiet'}, ` (${plural(row.seeds, 'seed')}, ${imagesCell(row)} images)`)];
}

function paperRow(row) {
  const published = row.published ? percent(row.published.top1_fraction) : ABSENT;
  return el('tr', {}, el('td', {class: 'model'}, row.model), el('td', {class: 'dataset'}, row.dataset), el('th', {scope: 'row'}, row.method), el('td', {class: 'num'}, row.bits),
            el('td', {class: 'num', title: row.published ? row.published.source : null}, published), el('td', {class: 'num'}, oursCell(row)),
            el('td', {class: 'num'}, points(row.change_fraction)), el('td', {}, verdictBadge(row)),
            el('td', {class: 'reason'}, row.verdict_reason || row.reasons.join('; ')));
}

function fillPaper(section) {
  const rows = DATA.rows.filter(row => row.status === 'measured' && (row.published || row.verdict));
  if (rows.length === 0) {
    byId('paper-table').parentElement.replaceWith(el('p', {}, 'No measured row of this table has a published figure; those of other rows stand in the results above.'));
    return;
  }
  const names = [['model'], ['dataset'], ['method'], ['W/A', 'num'], ['published %', 'num'], ['ours %', 'num'], ['change', 'num'], ['verdict'], ['why']];
  byId('paper-table').append(el('thead', {}, el('tr', {}, names.map(([name, kind]) => el('th', {scope: 'col', class: kind}, name)))),
                             el('tbody', {}, rows.map(paperRow)));
  const sources = distinct(rows.filter(row => row.published).map(row => row.published.source));
  section.append(el('p', {class: 'quiet'}, 'change: ours minus float32 on the same images, in percentage points. ' +
                    (sources.length > 0 ? `Published in: ${sources.join('; ')}.` : '')));
}
