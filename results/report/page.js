// page.js: fills the page when all of it is there.

// "40 rows: 33 measured, 3 failed."
function countText() {
  const counts = [...groupBy(DATA.rows, row => STATUS_TEXT[row.status])].map(([status, rows]) => `${rows.length} ${status}`);
  return `${plural(DATA.rows.length, 'row')}: ${counts.join(', ')}.`;
}

// "ptqbench 0.1.0 at abc (12 trials)", for each program that measured.
function programText() {
  const programs = groupBy(Object.values(DATA.trials), trial => {
    const build = DATA.builds[trial.build];
    return `ptqbench ${build.version} at ${build.revision ? build.revision.replace(/^([0-9a-f]{12})[0-9a-f]+/, '$1') : 'an unknown revision'}`;
  });
  const texts = [...programs].map(([name, trials]) => `${name} (${plural(trials.length, 'trial')})`);
  return texts.length > 0 ? ` Measured by ${texts.join(', ')}.` : '';
}

function fillContents() {
  for (const section of document.querySelectorAll('main > section')) {
    byId('contents').append(el('a', {href: `#${section.id}`}, section.querySelector('h2').textContent));
  }
}

document.querySelector('main').hidden = false;
byId('made').textContent = `Made ${DATA.created_utc}. ${countText()}${programText()}`;
byId('spec-text').textContent = DATA.spec_text;
byId('spec').hidden = DATA.spec_text === '';
fillContents();
fillResults();
fillPaper(byId('paper'));
fillBits(byId('bits'));
fillSensitivity(byId('sensitivity'));
fillPlots();
