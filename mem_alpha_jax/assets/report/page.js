'use strict';
// The inspector. What runs and stores say becomes text, never elements.
const DATA = JSON.parse(document.getElementById('data').textContent);  // of a static page
const SVG = new Set(['svg', 'path', 'line', 'text']);
const ROW = 58;  // pixels of a row, as in the style
const state = {
  tab: DATA ? 'episodes' : 'runs', runs: [], metrics: ['reward/total', 'eval/accuracy'],
  run: '', from: 'held-out', which: '', type: '', tool: '', text: '', row: '',
};
const $ = (id) => document.getElementById(id);
let overview = { runs: [], store: false }, rows = [], shown = [];

function h(tag, given, ...inside) {
  const e = SVG.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(given || {})) {
    if (name.startsWith('on')) e[name] = value;
    else if (name === 'style') Object.entries(value).forEach((one) => e.style.setProperty(...one));
    else if (value !== false && value != null) e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...inside.flat(9).filter((x) => x != null && x !== false));
  return e;
}
// A browser drops control characters: they are shown. <bdi> keeps turned text in its place.
const seen = (text) => String(text).replace(/[\0-\x08\x0b-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
  .replace(/[\x7f-\x9f]/g, (c) => '\\x' + c.charCodeAt(0).toString(16));
const say = (text, name) => h('bdi', { class: name }, seen(text));
const quiet = (...inside) => h('p', { class: 'quiet' }, inside);
const small = (...inside) => h('small', { class: 'quiet' }, inside);
const failure = (error) => h('p', { class: 'bad', role: 'alert' }, say(error.message));
const chip = (text, name = '') => h('span', { class: `chip ${name}` }, say(text));
const badge = (good, ...text) => h('span', { class: `badge ${good == null ? '' : good ? 'ok' : 'bad'}` }, text);
const list = (items, empty) => h('ul', {}, items.length ? items : h('li', { class: 'quiet' }, empty));
const part = (title, ...inside) => [h('h3', {}, title), inside];
const button = (text, onclick, name) => h('button', { onclick, class: name }, text);
const input = (given) => h('input', { 'aria-label': given.placeholder, ...given });
const select = (label, options, value, onchange) => h('select', { onchange, 'aria-label': label },
  options.map(([key, text]) => h('option', { value: key, selected: key === value }, text)));
const count = (n, of) => `${n.toLocaleString('en')} ${of}${n === 1 ? '' : 's'}`;
const words = (text) => String(text).toLowerCase().match(/[\p{L}\p{N}]+/gu) || [];
const query = (...given) => new URLSearchParams(...given);
function digits(x) {
  if (x == null) return '-';
  return Math.abs(x) >= 1000 ? x.toFixed(0) : Math.abs(x) >= 0.01 || !x ? x.toFixed(3) : x.toExponential(1);
}

async function ask(path, given = {}) {
  const answer = await fetch(path, given);
  if (answer.status === 416) return null;
  const json = (answer.headers.get('content-type') || '').startsWith('application/json');
  const body = json ? await answer.json() : await answer.arrayBuffer();
  if (answer.ok) return body;
  throw new Error(body.error ? body.error.message : `${path}: ${answer.status}`);
}

// Files of lines grow: what is new of one is read on.
const files = {}, fresh = () => ({ at: 0, rest: '', rows: [], text: new TextDecoder() });
const size = (name, file) => (overview.runs.find((run) => run.name === name) || { sizes: {} }).sizes[file] || 0;
function lines(run, file) {
  const f = files[`${run}/${file}`] ||= { ...fresh(), last: Promise.resolve() };
  f.last = f.last.then(() => readOn(f, run, file));  // one after the other
  return f.last;
}
async function readOn(f, run, file) {
  while (f.at !== size(run, file)) {
    const bytes = await ask(`runs/lines?${query({ run, file, start: f.at })}`);
    if (!bytes) { Object.assign(f, fresh()); continue; }  // it is shorter: begun again
    if (!bytes.byteLength) break;
    f.at += bytes.byteLength;
    const found = (f.rest + f.text.decode(bytes, { stream: true })).split('\n');
    f.rest = found.pop();
    try { f.rows.push(...found.filter(Boolean).map((line) => JSON.parse(line))); }
    catch { Object.assign(f, fresh()); break; }  // cut, and written on: the next look reads it whole
  }
  return f.rows;
}

// ---- runs beside each other
const color = (k) => `var(--c${k % 8})`;
function nice(low, high, n) {
  const raw = (high - low) / n || 1, ten = 10 ** Math.floor(Math.log10(raw)), ticks = [];
  const by = [1, 2, 5, 10].map((k) => k * ten).find((s) => s >= raw);
  for (let x = Math.ceil(low / by - 1e-9) * by; x <= high + by * 1e-6; x += by) ticks.push(+x.toPrecision(12));
  return ticks;
}
function span(values) {
  const [low, high] = [Math.min, Math.max].map((of) => values.reduce((x, y) => of(x, y)));
  if (low >= 0 && high <= 1 && high - low > 0.2) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

function chart(metric, series, remove) {
  const W = 440, H = 200, left = 44, right = 10, top = 8, bottom = 24, wide = W - left - right;
  const known = (s) => s.points.filter((p) => p[1] != null), points = series.flatMap(known);
  const read = h('div', { class: 'read' }), card = h('section', { class: 'card chart' }, h('header', {}, say(metric),
    h('button', { class: 'flat', onclick: remove, 'aria-label': `remove ${metric}` }, '×')));
  if (!points.length) { card.append(quiet('Not logged by these runs yet.')); return card; }
  const xs = points.map((p) => p[0]), x0 = xs.reduce((a, b) => Math.min(a, b)), x1 = Math.max(x0 + 1, xs.reduce((a, b) => Math.max(a, b)));
  const [y0, y1] = span(points.map((p) => p[1]));
  const X = (x) => left + (x - x0) / (x1 - x0) * wide, Y = (y) => H - bottom - (y - y0) / (y1 - y0) * (H - top - bottom);
  const told = (step = Infinity) => read.replaceChildren(Number.isFinite(step) ? small(`step ${step}`) : '', ...series.map((s) => {
    const last = known(s).filter((p) => p[0] <= step).at(-1);
    return last ? h('span', { style: { color: s.color } }, say(s.name), ` ${digits(last[1])}`) : '';
  }));
  const path = (p) => p.map(([x, y], k) => y == null ? '' :
    `${k && p[k - 1][1] != null ? 'L' : 'M'}${X(x).toFixed(1)} ${Y(y).toFixed(1)}`).join('');
  const rule = h('line', { y1: top, y2: H - bottom, visibility: 'hidden', style: { stroke: 'var(--soft)' } });
  const svg = h('svg', { viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': `${metric} by step` },
    nice(y0, y1, 4).map((y) => [h('line', { x1: left, x2: W - right, y1: Y(y), y2: Y(y) }),
      h('text', { x: left - 6, y: Y(y) + 4, 'text-anchor': 'end' }, String(y))]),
    nice(x0, x1, 6).filter(Number.isInteger).map((x) => h('text', { x: X(x), y: H - 6, 'text-anchor': 'middle' }, String(x))),
    rule, series.map((s) => h('path', { d: path(s.points), style: { stroke: s.color } })));
  svg.onpointermove = (event) => {
    const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * W;
    const step = xs.reduce((a, b) => Math.abs(X(b) - x) < Math.abs(X(a) - x) ? b : a);
    Object.entries({ x1: X(step), x2: X(step), visibility: 'visible' }).forEach((one) => rule.setAttribute(...one));
    told(step);
  };
  svg.onpointerleave = () => { rule.setAttribute('visibility', 'hidden'); told(); };
  told();
  card.append(svg, read);
  return card;
}

function range(text) {
  const [, mean, low, high] = /^([\d.]+) \[([\d.]+), ([\d.]+)\]$/.exec(text) || [], at = (x) => `${100 * x}%`;
  return mean && h('span', { class: 'range' }, h('i', { style: { left: at(low), width: at(high - low) } }), h('b', { style: { left: at(mean) } }));
}
function table([head, ...body], empty) {
  if (!body.length) return quiet(empty);
  return h('div', { class: 'wide card' }, h('table', {}, h('tr', {}, head.map((x) => h('th', {}, say(x)))),
    body.map((row) => h('tr', {}, row.map((x) => h('td', {}, say(x), range(x)))))));
}

async function showRuns() {
  const there = overview.runs.map((run) => run.name), curves = h('div'), tables = h('div');
  state.runs = state.runs.filter((name) => there.includes(name));
  if (!state.runs.length) state.runs = there.slice(0, 4);
  const pick = (name) => go({ runs: state.runs.includes(name) ? state.runs.filter((x) => x !== name) : [...state.runs, name] });
  if (!there.length) return $('main').replaceChildren(quiet('No runs here: start with --runs=FOLDER, a folder of workdirs.'));
  const one = ({ name, finished }, k = state.runs.indexOf(name)) => h('label', {},
    h('input', { type: 'checkbox', checked: k >= 0, onchange: () => pick(name) }),
    h('span', { class: 'swatch', style: k < 0 ? {} : { background: color(k) } }),
    h('span', {}, say(name), h('br'), h('small', { class: 'quiet', 'data-run': name }, finished ? 'finished' : 'not finished')));
  $('main').replaceChildren(h('div', { class: 'runs' }, h('aside', {}, h('h1', {}, 'Runs'), overview.runs.map((run) => one(run))), h('div', {}, curves, tables)));
  await drawCurves(curves);
  curves.id = 'curves';
  const found = await ask(`runs/compare?${query(state.runs.map((name) => ['run', name]))}`);
  tables.replaceChildren(h('h2', {}, 'Results, held out'), table(found.results, 'None of these runs has finished.'), h('h2', {}, 'What differs in the config'),
    table(found.config, state.runs.length > 1 ? 'Nothing: the configs are the same.' : 'Choose two runs to compare.'));
}

async function drawCurves(into) {
  const all = await Promise.all(state.runs.map((name) => lines(name, 'metrics.jsonl'))), { metrics } = state;
  const ends = all.flatMap((some) => [some[0], some.at(-1)]).filter(Boolean);  // an evaluation's are not in every line
  const names = [...new Set([...all.flatMap((some) => some.slice(0, 50)), ...ends].flatMap(Object.keys))].filter((x) => x !== 'step').sort();
  const series = (metric) => state.runs.map((name, k) => ({ name, color: color(k), points: all[k].filter((row) => metric in row).map((row) => [row.step, row[metric]]) }));
  into.replaceChildren(h('div', { class: 'bar' }, h('h1', {}, 'Curves'), select('add a curve',
    [['', 'add a curve'], ...names.filter((x) => !metrics.includes(x)).map((x) => [x, x])], '', (event) => go({ metrics: [...metrics, event.target.value] }))),
  h('div', { class: 'charts' }, metrics.map((metric) => chart(metric, series(metric), () => go({ metrics: metrics.filter((x) => x !== metric) })))));
  for (const e of document.querySelectorAll('[data-run]')) {
    const last = (all[state.runs.indexOf(e.dataset.run)] || []).at(-1), run = overview.runs.find((one) => one.name === e.dataset.run);
    if (last) e.textContent = `step ${last.step}, ${run.finished ? 'finished' : 'not finished'}`;
  }
}

// ---- episodes, turn by turn
const toolsOf = (one) => one.calls.length ? one.calls.map(([text]) => text.split(' ', 1)[0]) : ['no call'];
const tools = (one) => [...new Set(toolsOf(one))].join(', ');
const wrong = (row) => row.q && row.marks.at(-1) === false;
const WHICH = {
  wrong: ['wrong answers', wrong],
  gained: ['wrong before, right after', (row) => row.q && row.marks[0] === false && row.marks.at(-1)],
  lost: ['right before, wrong after', (row) => wrong(row) && row.marks[0]],
  questions: ['questions', (row) => row.q],
  turns: ['turns', (row) => row.turn],
  failed: ['failed calls', (row) => row.failed],
};

function flatten(episodes) {
  return episodes.flatMap((e) => [
    { key: e.heading, e, top: true },
    ...e.turns.map((turn, i) => ({ key: `${e.heading}/${i}`, e, i, turn, tools: turn.tries.flatMap(toolsOf),
      failed: turn.tries.some((one) => one.calls.some((call) => !call[1])) })),
    ...e.questions.map((q, i) => ({ key: `${e.heading}/q${i}`, e, q, type: q.type, marks: q.tries.map((one) => one.correct) })),
  ]);
}
function text({ turn, q }) {  // made when one searches; of 10,000 turns 30 ms
  const some = turn ? [turn.chunk] : [q.question, q.gold];
  for (const one of (turn || q).tries) some.push(turn ? one.text : one.answer, ...(turn ? one.calls.map((call) => call[0]) : one.notes || []));
  return some.join('\n').toLowerCase();
}

function filtered() {
  const asked = state.text.toLowerCase().split(/\s+/).filter(Boolean), [, fits] = WHICH[state.which] || [], found = [];
  if (!asked.length && !fits && !state.type && !state.tool) return rows;
  let top = null;
  for (const row of rows) {
    if (row.top) { top = row; continue; }
    if ((fits && !fits(row)) || (state.type && row.type !== state.type)) continue;
    if ((state.tool && !(row.tools || []).includes(state.tool)) || (asked.length && !asked.every((word) => (row.text ||= text(row)).includes(word)))) continue;
    if (top) found.push(top);
    top = null;
    found.push(row);
  }
  return found;
}

async function episodes() {
  if (DATA) return DATA.episodes;
  if (!state.run) return [];
  if (state.from === 'held-out') return ask(`runs/episodes?${query({ run: state.run })}`);
  return (await lines(state.run, 'turns.jsonl')).map((e) => ({ ...e, heading: `step ${e.step}, ${e.heading}` })).reverse();
}

async function showEpisodes() {
  const runs = overview.runs.map((run) => run.name), set = (name) => (event) => { state[name] = event.target.value; refresh(); };
  if (!DATA && !runs.includes(state.run)) state.run = runs[0] || '';
  let told = 'Nothing recorded here yet.';
  try { rows = flatten(await episodes()); } catch (error) { rows = []; told = error.message; }
  const of = (first, pick) => [['', first], ...[...new Set(rows.flatMap(pick))].filter(Boolean).sort().map((x) => [x, x])];
  $('main').className = 'split';
  $('main').replaceChildren(h('div', { class: 'bar filters' },
    !DATA && select('run', runs.map((x) => [x, x]), state.run, (event) => go({ run: event.target.value, row: '' })),
    !DATA && select('episodes', [['held-out', 'held-out episodes'], ['training', 'training groups']], state.from, (event) => go({ from: event.target.value, row: '' })),
    input({ type: 'search', placeholder: 'search text', value: state.text, oninput: set('text') }),
    select('which', [['', 'all'], ...Object.entries(WHICH).map(([key, [text]]) => [key, text])], state.which, set('which')),
    select('type of question', of('any type', (row) => row.type), state.type, set('type')),
    select('tool', of('any tool', (row) => row.tools), state.tool, set('tool')), h('span', { class: 'quiet', id: 'count' })),
  h('div', { class: 'panes' }, h('div', { class: 'list', id: 'list', tabindex: 0, role: 'listbox', 'aria-label': 'turns and questions', onscroll: paint, onkeydown: keys }),
    h('div', { class: 'detail', id: 'detail' })));
  refresh();
  choose(rows.find((row) => row.key === state.row) || (innerWidth > 760 && shown.find((row) => !row.top)), told);
}

function refresh() {
  const start = performance.now();
  shown = filtered();
  const n = (pick) => shown.filter(pick).length;
  $('count').textContent = `${count(n((row) => row.turn), 'turn')}, ${count(n((row) => row.q), 'question')}`;
  $('list').scrollTop = 0;
  paint();
  performance.measure('filter', { start });
  save();
}
function paint() {
  const at = $('list'), first = Math.max(0, Math.floor(at.scrollTop / ROW) - 4), last = first + Math.ceil(at.clientHeight / ROW) + 9;
  const line = (row, k, style = { top: `${(first + k) * ROW}px` }) => row.top ? h('div', { class: 'top', style }, say(row.e.heading)) :
    h('div', { style, role: 'option', 'aria-selected': String(row.key === state.row), onclick: () => choose(row) },
      h('span', { class: 'n' }, row.q ? '?' : String(row.i + 1)), h('div', { class: 'line' }, say(row.q ? row.q.question : row.turn.chunk)), h('div', { class: 'sub' }, summary(row)));
  at.replaceChildren(h('div', { class: 'end', style: { top: `${shown.length * ROW - 1}px` } }), ...shown.slice(first, last).map((row, k) => line(row, k)));
}
const verdict = ({ correct }) => badge(correct, correct == null ? 'not scored' : correct ? '✓ right' : '✗ wrong');
function summary({ e, q, turn, type, failed }) {
  const name = (k) => e.names.length > 1 && `${e.names[k].replace(/ RL$/, '')} `;
  if (q) return [q.tries.map((one, k) => h('span', {}, name(k), verdict(one))), chip(type)];
  const paid = turn.tries.map((one) => (one.reward || {}).total).filter((x) => x != null);
  return [paid.length ? `reward ${digits(Math.min(...paid))} to ${digits(Math.max(...paid))}` : turn.tries.map((one, k) => h('span', {}, name(k), tools(one))),
    failed && badge(false, 'failed call')];
}
function keys(event) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by) { event.preventDefault(); step(by); }
}
function step(by) {
  const at = $('list');
  let k = shown.findIndex((row) => row.key === state.row) + by;
  while (shown[k] && shown[k].top) k += by;
  if (!shown[k]) return;
  choose(shown[k]);
  at.scrollTop = Math.min(k * ROW, Math.max(at.scrollTop, (k + 1) * ROW - at.clientHeight));
}
function choose(row, told = 'Choose a turn or a question.') {
  $('main').classList.toggle('reading', Boolean(row));  // a phone shows one pane
  state.row = row ? row.key : '';
  save();
  paint();
  $('detail').replaceChildren(...(row ? [h('div', { class: 'bar' }, button('‹ all turns', () => choose(null), 'back'), button('previous', () => step(-1)), button('next', () => step(1))), row.q ? question(row) : turn(row)] : [quiet(told)]));
  $('detail').scrollTop = 0;
}

const label = (kind, id) => h('span', { class: 'id' }, id == null ? kind : `${kind} ${id}`);
const entries = (some, empty) => list(some.map(([kind, id, text]) => h('li', {}, label(kind, id), say(text))), empty);
function change([kind, id, old, now]) {
  if (old == null) return h('li', { class: 'new' }, label(kind, id), '+ ', say(now));
  if (now == null) return h('li', { class: 'gone' }, label(kind, id), '− ', say(old));
  const a = old.split(' '), b = now.split(' '), least = Math.min(a.length, b.length);
  let i = 0, j = 0;  // words at both ends that did not change
  while (i < least && a[i] === b[i]) i++;
  while (j < least - i && a.at(-1 - j) === b.at(-1 - j)) j++;
  const cut = (some) => say(some.slice(i, some.length - j).join(' '));
  return h('li', {}, label(kind, id), say(`${a.slice(0, i).join(' ')} `), h('del', { class: 'gone' }, cut(a)), ' ', h('ins', { class: 'new' }, cut(b)), j > 0 && say(` ${a.slice(-j).join(' ')}`));
}
function memory(e, k, until) {
  const kept = new Map();
  for (const [kind, id, , now] of e.turns.slice(0, until + 1).flatMap((turn) => turn.tries[k].changes)) {
    if (now == null) kept.delete(`${kind} ${id}`); else kept.set(`${kind} ${id}`, [kind, id, now]);
  }
  return h('details', {}, h('summary', {}, 'the whole memory then'), entries([...kept.values()], 'empty'));
}
function tokens({ tokens, text }) {
  if (!tokens || !tokens.length) return h('pre', { class: 'scroll' }, text ? say(text) : h('i', { class: 'quiet' }, 'empty'));
  const shade = (p) => `color-mix(in srgb, var(--c1) ${Math.round(55 * (1 - p))}%, var(--code))`;
  return [h('pre', { class: 'tokens scroll' }, tokens.map(([piece, logp]) => h('span', { title: `log-prob ${logp.toFixed(3)}, p ${Math.exp(logp).toFixed(3)}`, style: { background: shade(Math.exp(logp)) } }, say(piece || 'end')))),
    small(`log-prob ${tokens.reduce((sum, one) => sum + one[1], 0).toFixed(2)} in ${count(tokens.length, 'token')}; the darker, the less likely`)];
}
function parts(reward, mean) {
  const most = Math.max(...Object.values(reward).map(Math.abs), 1e-9), width = (x) => `${100 * Math.abs(x || 0) / most}%`;
  return [h('div', { class: 'parts' }, Object.entries(reward).map(([name, x]) => [h('span', {}, name), h('i', { class: x < 0 && 'minus', style: { width: width(x) } }), h('span', {}, digits(x))])),
    reward.total != null && small(`${reward.total < mean ? '−' : '+'}${digits(Math.abs(reward.total - mean))} beside the mean of the group`)];
}

function turn({ e, i, turn }) {
  const total = (k) => (turn.tries[k].reward || {}).total, order = [...turn.tries.keys()].sort((a, b) => (total(b) || 0) - (total(a) || 0));
  const paid = order.map(total).filter((x) => x != null), mean = paid.reduce((x, y) => x + y, 0) / paid.length;
  const same = new Set(turn.tries.map((one) => JSON.stringify(one.view))).size === 1, view = (one) => part('In view', entries(one.view, 'nothing'));
  const tried = (k, one = turn.tries[k]) => h('section', { class: `card ${paid.length && total(k) === paid[0] ? 'best' : ''}` },
    h('div', { class: 'bar' }, h('strong', {}, say(e.names[k])), one.kept && chip('carried out', 'ok'), one.forced && chip('first call forced')),
    !same && view(one), part('Sampled', tokens(one)),
    part('Calls', list(one.calls.map(([text, ok, error]) => h('li', {}, h('code', {}, say(text)), ' ', badge(ok, ok ? 'ok' : say(error)))), 'none')),
    part('Memory', list(one.changes.map(change), 'unchanged')), one.reward ? part('Reward', parts(one.reward, mean)) : memory(e, k, i));
  return h('article', {}, small(say(e.heading), `, turn ${i + 1} of ${e.turns.length}`), h('div', { class: 'said' }, say(turn.chunk)),
    same && view(turn.tries[0]), h('div', { class: 'tries' }, order.map((k) => tried(k))));
}

// Turns that share rare words with a question and its gold.
function about(e, gold, asked) {
  const bags = e.turns.map((one) => new Set(words(one.chunk))), often = {};
  bags.forEach((bag) => bag.forEach((word) => { often[word] = (often[word] || 0) + 1; }));
  const score = (bag) => [...bag].reduce((sum, word) => sum + (gold.has(word) ? 2 : asked.has(word) ? 1 : 0) / often[word], 0);
  const found = bags.map((bag, i) => [score(bag), i]).sort((a, b) => b[0] - a[0]).slice(0, 6);
  return found.filter(([one]) => one > 0.4 * found[0][0]).map(([, i]) => i).sort((a, b) => a - b);
}
function question({ e, q }) {
  const gold = new Set(words(q.gold)), marked = (text) => h('bdi', {}, String(text).split(/([\p{L}\p{N}]+)/u).map((word) => gold.has(word.toLowerCase()) ? h('mark', {}, seen(word)) : seen(word)));
  const tried = (one, k) => h('section', { class: 'card' }, h('div', { class: 'bar' }, h('strong', {}, say(e.names[k])), verdict(one)),
    part('The reader answered', one.answer ? h('p', { class: 'said' }, say(one.answer)) : quiet(one.answer == null ? 'nothing: it failed' : 'nothing: it abstained')),
    one.notes && part('From what recall found', list(one.notes.map((note) => h('li', {}, marked(note))), 'nothing')),
    one.core && part('and the core', marked(one.core)), memory(e, k, e.turns.length));
  const spoken = (i) => h('li', {}, button(`turn ${i + 1}`, () => choose(rows.find((row) => row.e === e && row.i === i)), 'flat'), marked(e.turns[i].chunk), ' ',
    e.turns[i].tries.map((one, k) => chip(`${e.names[k]}: ${tools(one)}`)));
  return h('article', {}, small(say(e.heading), ', question'), h('div', { class: 'said' }, say(q.question)), h('div', { class: 'bar' }, h('span', {}, 'gold: ', h('strong', {}, say(q.gold))), chip(q.type)),
    h('div', { class: 'tries' }, q.tries.map(tried)), h('h2', {}, 'Where the text speaks of it'), list(about(e, gold, new Set(words(q.question))).map(spoken), 'nowhere'));
}

// ---- a store: the key is kept in this variable alone
let key = '', space = '';
const called = (one) => h('code', {}, say(`${one.tool} ${one.kind} ${one.id == null ? '' : one.id} ${one.text}`));
const form = (onsubmit, ...inside) => h('form', { class: 'bar', onsubmit: (event) => { event.preventDefault(); onsubmit(event.target.elements); } }, inside);
function store(path, body) {
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
  return ask(`v1/namespaces/${encodeURIComponent(space)}/${path}`, { method: body ? 'POST' : 'GET', body: body && JSON.stringify(body), headers });
}
async function notes(found = []) {
  const more = await store(`memories?limit=1000&offset=${found.length}`);
  return more.length < 1000 ? [...found, ...more] : notes([...found, ...more]);
}
const living = (history) => [...new Set(history.filter((one) => one.ok && !one.undone).map((one) => one.event))].sort((a, b) => b - a);

function showStore() {
  if (!overview.store) return $('main').replaceChildren(quiet('No store here: start with --store=FILE.'));
  $('main').replaceChildren(form((given) => { [space, key] = [given.space.value, given.key.value]; openStore(); },
    input({ name: 'space', placeholder: 'namespace', value: space, required: true }),
    input({ name: 'key', type: 'password', placeholder: 'key: mem_...', value: key, required: true, autocomplete: 'off' }), h('button', { class: 'main' }, 'Open')), h('div', { id: 'store' }));
  return key && openStore();
}
async function openStore(told = '') {
  try {
    const [stats, all, history] = await Promise.all([store('stats'), notes(), store('history')]), live = living(history);
    const held = `${count(all.length, 'note')}, ${stats.tokens}${stats.most_tokens == null ? '' : ` of ${stats.most_tokens}`} tokens, ${count(stats.events, 'event')}`;
    $('store').replaceChildren(quiet(say(told), ' ', held), h('div', { class: 'store' },
      h('section', { class: 'card' }, form((given) => reply(given.asked.value), input({ name: 'asked', placeholder: 'ask as the reader is asked', required: true }), h('button', {}, 'Ask')),
        h('div', { id: 'reply' }), part('Memory', entries(all.map((note) => [note.kind, note.id === 'core' ? null : note.id, note.text]), 'empty'))),
      h('section', { class: 'card' }, h('div', { class: 'bar' }, h('strong', {}, 'History'), live.length > 0 && button('Undo the last', () => undo(1), 'risk')), past(history.slice().reverse(), live, 200))));
  } catch (error) { $('store').replaceChildren(failure(error)); }
}
async function reply(question) {
  try {
    const found = await store('answer', { question }), core = found.core ? [['core', null, found.core]] : [];
    $('reply').replaceChildren(...[part('The reader answers', found.answer ? h('p', { class: 'said' }, say(found.answer)) : quiet('nothing')),
      part('from', entries([...core, ...found.notes.map((note) => [note.kind, note.id, note.text])], 'nothing'))].flat(9));
  } catch (error) { $('reply').replaceChildren(failure(error)); }
}
function past(newest, live, most) {
  const head = (one) => h('div', { class: 'bar' }, small(`${one.event}: ${one.what}, ${new Date(one.at).toLocaleString()}`),
    one.undone ? chip('undone') : live.indexOf(one.event) > 0 && button('undo to here', () => undo(live.indexOf(one.event) + 1), 'flat'));
  const all = list(newest.slice(0, most).map((one, k) => h('li', { class: one.undone && 'undone' }, (!k || newest[k - 1].event !== one.event) && head(one),
    one.read && h('div', { class: 'quiet' }, '“', say(one.read), '”'), called(one), ' ', !one.ok && badge(false, say(one.error)))), 'empty');
  if (newest.length > most) all.append(h('li', {}, button('older', () => all.replaceWith(past(newest, live, 4 * most)))));
  return all;
}
async function undo(n) {
  const history = await store('history'), live = living(history), dialog = $('dialog');
  const calls = history.filter((one) => live.slice(0, n).includes(one.event) && one.ok).reverse();
  const sure = async () => {
    dialog.close();
    try {
      if (living(await store('history'))[0] !== live[0]) return openStore('Others have written meanwhile: nothing was undone.');
      await store('undo', { n });
      return openStore(`Undone: ${count(n, 'event')}.`);
    } catch (error) { return openStore(error.message); }
  };
  dialog.replaceChildren(h('h1', {}, `Undo ${count(n, 'event')}?`), quiet('These calls are taken back. They stay in the history, and cannot be redone.'),
    h('ul', { class: 'scroll' }, calls.map((one) => h('li', {}, called(one)))), h('div', { class: 'bar' }, button('Undo', sure, 'risk'), button('Cancel', () => dialog.close())));
  dialog.showModal();
}

// ---- where one is, and what is new
const LISTS = ['runs', 'metrics'];
let saving;
function save() {  // browsers bound how often
  clearTimeout(saving);
  saving = setTimeout(() => history.replaceState(null, '', `#${query(Object.entries(state).filter(([, x]) => x.length).map(([name, x]) => [name, LISTS.includes(name) ? x.join(' ') : x]))}`), 200);
}
function restore() {
  query(location.hash.slice(1)).forEach((x, name) => { if (name in state) state[name] = LISTS.includes(name) ? x.split(' ').filter(Boolean) : x; });
}
const TABS = { runs: ['Runs', showRuns], episodes: ['Episodes', showEpisodes], store: ['Store', showStore] };
async function go(change) {
  Object.assign(state, change, DATA ? { tab: 'episodes' } : {});
  save();
  if (!DATA) $('tabs').replaceChildren(...Object.entries(TABS).map(([tab, [text]]) => h('button', { 'aria-current': tab === state.tab && 'page', onclick: () => go({ tab }) }, text)));
  $('main').className = '';
  try { await (TABS[state.tab] || TABS.runs)[1](); } catch (error) { $('main').replaceChildren(failure(error)); }
}
async function poll() {
  if (document.hidden) return;
  const was = JSON.stringify(overview), ended = () => overview.runs.map((run) => run.name + run.finished).join(), before = ended();
  try { overview = await ask('runs'); } catch { $('status').textContent = 'the server does not answer'; return; }
  $('status').textContent = overview.runs.every((run) => run.finished) ? '' : 'looks again every 3 s';
  if (JSON.stringify(overview) === was || state.tab === 'store') return;
  if (ended() !== before) go({});
  else if ($('curves')) drawCurves($('curves'));
  else if (state.from === 'training') {
    const at = $('list').scrollTop;
    rows = flatten(await episodes());
    refresh();
    $('list').scrollTop = at;
  }
}
(async () => {
  restore();
  onhashchange = () => { restore(); go({}); };
  if (!DATA) { overview = await ask('runs'); setInterval(poll, 3000); }
  go({});
})();
