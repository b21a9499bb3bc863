// provenance.js: what is known of the trials of one row.

function facts(pairs) {
  const known = pairs.filter(([, value]) => isKnown(value) && value !== '' && value !== ABSENT);
  return el('dl', {class: 'facts'}, known.map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));
}

function folded(title, text) {
  return text ? el('details', {}, el('summary', {}, title), el('pre', {class: 'wrapped'}, text)) : null;
}

function revisionText(revision) {
  if (!revision) return 'unknown';
  if (!revision.endsWith('-dirty')) return revision;
  return el('span', {}, revision, el('span', {class: 'badge warn'}, 'uncommitted sources'));
}

const inGib = bytes => bytes > 0 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : null;
const inSeconds = seconds => isKnown(seconds) ? `${seconds.toFixed(2)} s` : null;

function imagesText(images) {
  if (!images.name) return null;
  return `${images.name}, ${plural(images.images, 'image')}, manifest ${images.manifest_sha256}`;
}

function buildFacts(build) {
  return [['version', build.version], ['code revision', revisionText(build.revision)], ['compiler', build.compiler],
          ['flags', build.flags], ['libraries', build.libraries]];
}

function hostFacts(host) {
  return [['CPU', host.cpu_model], ['CPU flags', host.cpu_flags], ['logical cores', String(host.logical_cores)],
          ['memory', inGib(host.memory_bytes)], ['operating system', host.os]];
}

function configurationFacts(trial) {
  return [['model', trial.model], ['geometry', trial.geometry], ['preprocessing', trial.preprocessing],
          ['weights', trial.weights_sha256], ['data set', imagesText(trial.dataset)],
          ['calibration', imagesText(trial.calibration)], ['method', `${trial.method}, version ${trial.method_version}`],
          ['parameters', trial.parameters], ['scheme', trial.scheme], ['seed', String(trial.seed)],
          ['execution', `${trial.exec_mode}, numerics version ${trial.numerics_version}`]];
}

function runFacts(trial) {
  const notes = Object.entries(trial.notes).map(([name, value]) => `${name}: ${value}`).join('; ');
  return [['started', trial.started_utc], ['finished', trial.finished_utc],
          ['calibrate', inSeconds(trial.calibrate_seconds)], ['evaluate', inSeconds(trial.evaluate_seconds)],
          ['peak memory', isKnown(trial.peak_rss_bytes) ? inGib(trial.peak_rss_bytes) : null],
          ['threads', String(trial.threads)], ['affinity', trial.affinity],
          ['simulated only', trial.simulated_only.join(', ')], ['notes', notes]];
}

function recordParts(trial) {
  const command = `ptqbench reproduce ${trial.trial_key.slice(0, 12)}`;
  const plan = isKnown(trial.plan) ? strip(DATA.plans[trial.plan]) : [];
  return [facts([['trial key', trial.trial_key], ['measure it again', el('code', {class: 'command'}, command)],
                 ['status', trial.status], ['reason', trial.reason], ['experiment', trial.experiment],
                 ...buildFacts(DATA.builds[trial.build]), ...hostFacts(DATA.hosts[trial.host]),
                 ...configurationFacts(trial), ...runFacts(trial)]),
          ...plan, folded('Canonical text of the trial', trial.trial_text),
          folded('Spec', DATA.specs[trial.spec])];
}

function trialPart(summary, index) {
  const record = DATA.trials[summary.trial_key];
  const accuracy = isKnown(summary.top1_fraction) ? ` \u00b7 ${percent(summary.top1_fraction)} %` : '';
  const title = `seed ${summary.seed} \u00b7 ${summary.status}${accuracy} \u00b7 ${summary.trial_key.slice(0, 12)}`;
  const known = record ? recordParts(record) : [facts([
    ['trial key', summary.trial_key], ['status', summary.status], ['reason', summary.reason],
    ['code revision', revisionText(summary.revision)]])];
  return el('details', {open: index === 0, class: 'trial'}, el('summary', {}, title), ...known);
}

function latencyPart(row) {
  if (row.latencies.length === 0) return null;
  const time = (record, side) => `${milliseconds(record[side + '_median_ns'])} [${milliseconds(record[side + '_p5_ns'])}, ` +
      `${milliseconds(record[side + '_p95_ns'])}]`;
  const names = ['batch', 'threads', 'float32 ms [p5, p95]', 'int8 ms [p5, p95]', '\u00d7 float', 'int8 %', 'drift %', 'kernels', 'CPU'];
  const lines = row.latencies.map(record => [
    record.batch, record.threads, time(record, 'float'), time(record, 'integer'), ratioText(record),
    fixed(record.int8_coverage * 100, 1), fixed(record.clock_drift * 100, 1) + (record.drifting ? '!' : ''),
    record.instruction_set, `${DATA.hosts[record.host].cpu_model}, CPUs ${record.affinity || 'unknown'}`]);
  return el('div', {class: 'scroll'}, el('table', {}, el('thead', {}, el('tr', {}, names.map(name => el('th', {scope: 'col'}, name)))),
            el('tbody', {}, lines.map(line => el('tr', {}, line.map(text => el('td', {class: 'num'}, String(text))))))));
}

function ratioText(record) {
  return `${fixed(record.ratio, 2)} [${fixed(record.ratio_low, 2)}, ${fixed(record.ratio_high, 2)}]${record.drifting ? ' !' : ''}`;
}

// All that is known of a row, for the reader who asks.
function provenance(row) {
  const verdict = row.verdict ? `${row.verdict} with the published figure: ${row.verdict_reason}` : '';
  const remarks = distinct([...row.reasons, ...row.caveats, row.remark, verdict]).filter(text => text !== '');
  return el('div', {class: 'box'}, el('h4', {}, `${groupName(row)} \u00b7 ${rowName(row)}`),
            remarks.length > 0 ? el('ul', {}, remarks.map(text => el('li', {}, text))) : null,
            latencyPart(row), row.trials.map(trialPart),
            row.trials.length === 0 ? el('p', {}, 'No trial of this row is stored.') : null);
}
