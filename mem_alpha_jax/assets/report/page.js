'use strict';
// The inspector. What runs and stores say becomes text, never elements.
const DATA = JSON.parse(document.getElementById('data').textContent);  // of a static page
const SVG = new Set(['svg', 'path', 'line', 'text']);
const ROW = 58;  // pixels of a row, as in the style
const state = { tab: DATA ? 'episodes' : 'runs', runs: [], metrics: ['reward/total', 'eval/accuracy'],
  run: '', from: 'held-out', which: '', type: '', tool: '', text: '', row: '' };
const $ = (id) => document.getElementById(id);
let overview = { runs: [], store: false }, rows = [], shown = [];

function h(tag, given, ...inside) {
  const e = SVG.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(given || {})) {
    if (name.startsWith('on')) e[name] = value;
    else if (name === 'style') for (const [key, one] of Object.entries(value)) e.style.setProperty(key, one);
    else if (value !== false && value != null) e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...inside.flat(9).filter((x) => x != null && x !== false));
  return e;
}
// A browser drops control characters: they are shown. <bdi> keeps turned text in its place.
const seen = (text) => String(text).replace(/[\0-\x08\x0b-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
  .replace(/[\x7f-\x9f]/g, (c) => '\\x' + c.charCodeAt(0).toString(16));
const say = (text, name) => h('bdi', { class: name }, seen(text));
const chip = (text, name = '') => h('span', { class: `chip ${name}` }, say(text));
const select = (options, value, onchange, label) => h('select', { onchange, 'aria-label': label },
  options.map(([key, text]) => h('option', { value: key, selected: key === value }, text)));
const count = (n, of) => `${n.toLocaleString('en')} ${of}${n === 1 ? '' : 's'}`;
const words = (text) => (String(text).toLowerCase().match(/[\p{L}\p{N}]+/gu) || []);
const digits = (x) => x == null ? '-' : Math.abs(x) >= 1000 ? x.toFixed(0) : Math.abs(x) >= 0.01 || !x ? x.toFixed(3) : x.toExponential(1);

async function ask(path, given = {}) {
  const answer = await fetch(path, given);
  const type = answer.headers.get('content-type') || '';
  const body = type.startsWith('application/json') ? await answer.json() : await answer.arrayBuffer();
  if (answer.ok || answer.status === 416) return answer.status === 416 ? null : body;
  throw new Error(body.error ? body.error.message : `${path}: ${answer.status}`);
}

// Files of lines grow: what is new of one is read on.
const files = {}, fresh = () => ({ at: 0, rest: '', rows: [], text: new TextDecoder() });
function lines(run, file) {
  const key = `${run}/${file}`, f = files[key] ||= { ...fresh(), last: Promise.resolve() };
  f.last = f.last.then(() => readOn(f, run, file));  // one after the other
  return f.last;
}
async function readOn(f, run, file) {
  while (f.at !== size(run, file)) {
    const bytes = await ask(`runs/lines?${new URLSearchParams({ run, file, start: f.at })}`);
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
const size = (name, file) => (overview.runs.find((run) => run.name === name) || { sizes: {} }).sizes[file] || 0;

// ---- runs beside each other
function nice(low, high, n) {
  const raw = (high - low) / n || 1, ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * ten).find((s) => s >= raw);
  const ticks = [];
  for (let x = Math.ceil(low / step - 1e-9) * step; x <= high + step * 1e-6; x += step) ticks.push(+x.toPrecision(12));
  return ticks;
}

function chart(metric, series, remove) {
  const W = 440, H = 200, left = 44, right = 10, top = 8, bottom = 24;
  const points = series.flatMap((s) => s.points.filter((p) => p[1] != null));
  const read = h('div', { class: 'read' });
  const card = h('section', { class: 'card chart' }, h('header', {}, say(metric),
    h('button', { class: 'flat', onclick: remove, 'aria-label': `remove ${metric}` }, '×')));
  const told = (step) => read.replaceChildren(...(step == null ? [] : [h('span', { class: 'quiet' }, `step ${step}`)]),
    ...series.map((s) => [s, (step == null ? s.points.filter((p) => p[1] != null) : s.points.filter((p) => p[0] <= step && p[1] != null)).at(-1)])
      .filter(([, p]) => p).map(([s, p]) => h('span', { style: { color: s.color } }, say(s.name), ` ${digits(p[1])}`)));
  if (!points.length) { card.append(h('p', { class: 'quiet' }, 'Not logged by these runs yet.')); return card; }
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const least = (a) => a.reduce((x, y) => Math.min(x, y)), most = (a) => a.reduce((x, y) => Math.max(x, y));
  let [x0, x1, y0, y1] = [least(xs), most(xs), least(ys), most(ys)];
  if (y0 >= 0 && y1 <= 1 && y1 - y0 > 0.2) [y0, y1] = [0, 1];
  if (y0 === y1) [y0, y1] = [y0 - 0.5, y1 + 0.5];
  if (x0 === x1) x1 = x0 + 1;
  const X = (x) => left + (x - x0) / (x1 - x0) * (W - left - right), Y = (y) => H - bottom - (y - y0) / (y1 - y0) * (H - top - bottom);
  const rule = h('line', { y1: top, y2: H - bottom, visibility: 'hidden', style: { stroke: 'var(--soft)' } });
  const path = (p) => p.map(([x, y], k) => y == null ? '' : `${k && p[k - 1][1] != null ? 'L' : 'M'}${X(x).toFixed(1)} ${Y(y).toFixed(1)}`).join('');
  const svg = h('svg', { viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': `${metric} by step` },
    nice(y0, y1, 4).map((y) => [h('line', { x1: left, x2: W - right, y1: Y(y), y2: Y(y) }),
      h('text', { x: left - 6, y: Y(y) + 4, 'text-anchor': 'end' }, String(y))]),
    nice(x0, x1, 6).filter(Number.isInteger).map((x) => h('text', { x: X(x), y: H - 6, 'text-anchor': 'middle' }, String(x))),
    rule, series.map((s) => h('path', { d: path(s.points), style: { stroke: s.color } })));
  svg.onpointermove = (event) => {
    const box = svg.getBoundingClientRect(), at = x0 + ((event.clientX - box.left) / box.width * W - left) / (W - left - right) * (x1 - x0);
    const step = xs.reduce((a, b) => Math.abs(b - at) < Math.abs(a - at) ? b : a);
    rule.setAttribute('x1', X(step)); rule.setAttribute('x2', X(step)); rule.setAttribute('visibility', 'visible');
    told(step);
  };
  svg.onpointerleave = () => { rule.setAttribute('visibility', 'hidden'); told(null); };
  told(null);
  card.append(svg, read);
  return card;
}

function range(text) {
  const [, mean, low, high] = /^([\d.]+) \[([\d.]+), ([\d.]+)\]$/.exec(text) || [];
  return mean && h('span', { class: 'range' }, h('i', { style: { left: `${low * 100}%`, width: `${(high - low) * 100}%` } }), h('b', { style: { left: `${mean * 100}%` } }));
}
const table = ([head, ...body], empty) => !body.length ? h('p', { class: 'quiet' }, empty) : h('div', { class: 'wide card' },
  h('table', {}, h('tr', {}, head.map((x) => h('th', {}, say(x)))), body.map((row) => h('tr', {}, row.map((x) => h('td', {}, say(x), range(x)))))));

const colors = (k) => `var(--c${k % 8})`;
async function showRuns() {
  const there = overview.runs.map((run) => run.name);
  state.runs = state.runs.filter((name) => there.includes(name));
  if (!state.runs.length) state.runs = there.slice(0, 4);
  const pick = (name) => { state.runs = state.runs.includes(name) ? state.runs.filter((x) => x !== name) : [...state.runs, name]; go({}); };
  const [curves, tables] = [h('div'), h('div')];
  $('main').replaceChildren(!there.length ? h('p', { class: 'quiet' }, 'No runs here: start with --runs=FOLDER, a folder of workdirs.') :
    h('div', { class: 'runs' }, h('aside', {}, h('h1', {}, 'Runs'), overview.runs.map(({ name, finished }) => h('label', {},
      h('input', { type: 'checkbox', checked: state.runs.includes(name), onchange: () => pick(name) }),
      h('span', { class: 'swatch', style: state.runs.includes(name) ? { background: colors(state.runs.indexOf(name)) } : {} }),
      h('span', {}, say(name), h('br'), h('small', { class: 'quiet', 'data-run': name }, finished ? 'finished' : 'not finished'))))),
    h('div', {}, curves, tables)));
  if (!there.length) return;
  await drawCurves(curves);
  curves.id = 'curves';
  const found = await ask(`runs/compare?${new URLSearchParams(state.runs.map((name) => ['run', name]))}`);
  tables.replaceChildren(h('h2', {}, 'Results, held out'), table(found.results, 'None of these runs has finished.'),
    h('h2', {}, 'What differs in the config'), table(found.config, state.runs.length > 1 ? 'Nothing: the configs are the same.' : 'Choose two runs to compare.'));
}

async function drawCurves(into) {
  const all = await Promise.all(state.runs.map((name) => lines(name, 'metrics.jsonl')));
  const names = [...new Set(all.flatMap((one) => one.slice(0, 1).concat(one.slice(-1)).flatMap((row) => Object.keys(row))))].filter((x) => x !== 'step').sort();
  const series = (metric) => state.runs.map((name, k) => ({ name, color: colors(k), points: all[k].filter((row) => metric in row).map((row) => [row.step, row[metric]]) }));
  into.replaceChildren(h('div', { class: 'bar' }, h('h1', {}, 'Curves'), select([['', 'add a curve'], ...names.filter((x) => !state.metrics.includes(x)).map((x) => [x, x])], '',
    (event) => go({ metrics: [...state.metrics, event.target.value] }), 'add a curve')),
    h('div', { class: 'charts' }, state.metrics.map((metric) => chart(metric, series(metric), () => go({ metrics: state.metrics.filter((x) => x !== metric) })))));
  state.runs.forEach((name, k) => document.querySelectorAll('[data-run]').forEach((e) => {
    const run = overview.runs.find((one) => one.name === name), last = all[k].at(-1);
    if (e.dataset.run === name && last) e.textContent = `step ${last.step}, ${run.finished ? 'finished' : 'not finished'}`;
  }));
}

// ---- episodes, turn by turn
const toolOf = (call) => call[0].split(' ')[0];
const tools = (one) => one.calls.length ? [...new Set(one.calls.map(toolOf))] : ['no call'];

function flatten(episodes) {
  const found = [];
  episodes.forEach((e, k) => {
    found.push({ key: `${e.heading}`, e, top: true });
    e.turns.forEach((turn, i) => found.push({ key: `${e.heading}/${i}`, e, i, turn, tools: turn.tries.flatMap(tools), failed: turn.tries.some((one) => one.calls.some((call) => !call[1])),
      text: [turn.chunk, ...turn.tries.flatMap((one) => [one.text, ...one.calls.map((call) => call[0])])].join('\n').toLowerCase() }));
    e.questions.forEach((q, i) => found.push({ key: `${e.heading}/q${i}`, e, q, type: q.type, marks: q.tries.map((one) => one.correct),
      text: [q.question, q.gold, ...q.tries.flatMap((one) => [one.answer, ...(one.notes || [])])].join('\n').toLowerCase() }));
  });
  return found;
}
const WHICH = {
  wrong: ['wrong answers', (row) => row.q && row.marks.at(-1) === false], gained: ['wrong before, right after', (row) => row.q && !row.marks[0] && row.marks.at(-1)],
  lost: ['right before, wrong after', (row) => row.q && row.marks[0] && row.marks.at(-1) === false], questions: ['questions', (row) => row.q], turns: ['turns', (row) => row.turn],
  failed: ['failed calls', (row) => row.failed],
};
function filtered() {
  const asked = state.text.toLowerCase().split(/\s+/).filter(Boolean), which = (WHICH[state.which] || [])[1];
  const any = asked.length || which || state.type || state.tool, found = [];
  let top = null;
  for (const row of rows) {
    if (row.top) { top = row; if (!any) found.push(row); continue; }
    if ((which && !which(row)) || (state.type && row.type !== state.type) || (state.tool && !(row.tools || []).includes(state.tool)) || !asked.every((word) => row.text.includes(word))) continue;
    if (any && top) found.push(top);
    top = any ? null : top;
    found.push(row);
  }
  return found;
}

async function showEpisodes() {
  const main = $('main'), runs = overview.runs.map((run) => run.name);
  if (!DATA && !runs.includes(state.run)) state.run = runs[0] || '';
  rows = flatten(await episodes());
  const of = (pick) => [...new Set(rows.flatMap(pick))].filter(Boolean).sort().map((x) => [x, x]);
  const set = (name) => (event) => { state[name] = event.target.value; refresh(); };
  main.className = 'split';
  main.replaceChildren(h('div', { class: 'bar filters' },
    !DATA && [select(runs.map((x) => [x, x]), state.run, (event) => go({ run: event.target.value, row: '' }), 'run'),
      select([['held-out', 'held out, before and after RL'], ['training', 'groups while it trains']], state.from, (event) => go({ from: event.target.value, row: '' }), 'episodes')],
    h('input', { type: 'search', placeholder: 'search text', value: state.text, oninput: set('text'), 'aria-label': 'search text' }),
    select([['', 'all'], ...Object.entries(WHICH).map(([key, [text]]) => [key, text])], state.which, set('which'), 'which'),
    select([['', 'any type'], ...of((row) => row.type)], state.type, set('type'), 'type of question'),
    select([['', 'any tool'], ...of((row) => row.tools)], state.tool, set('tool'), 'tool'), h('span', { class: 'quiet', id: 'count' })),
    h('div', { class: 'panes' }, h('div', { class: 'list', id: 'list', tabindex: 0, role: 'listbox', 'aria-label': 'turns and questions', onscroll: paint, onkeydown: step }), h('div', { class: 'detail', id: 'detail' })));
  refresh();
  choose(rows.find((row) => row.key === state.row) || (innerWidth > 760 && shown.find((row) => !row.top)));
}
async function episodes() {
  if (DATA) return DATA.episodes;
  if (!state.run) return [];
  if (state.from === 'held-out') return ask(`runs/episodes?${new URLSearchParams({ run: state.run })}`).catch(() => []);
  const found = await lines(state.run, 'turns.jsonl');
  return found.map((e) => ({ ...e, heading: `step ${e.step}, ${e.heading}` })).reverse();
}
function refresh() {
  const began = performance.now();
  shown = filtered();
  const n = shown.filter((row) => row.turn).length, q = shown.filter((row) => row.q).length;
  $('count').textContent = rows.length ? `${count(n, 'turn')}, ${count(q, 'question')}` : 'Nothing recorded here yet.';
  $('list').scrollTop = 0;
  paint();
  performance.measure('filter', { start: began });
  save();
}
function paint() {
  const list = $('list'), first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4), last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 9);
  const place = (k) => ({ top: `${k * ROW}px` });
  list.replaceChildren(h('div', { style: { ...place(shown.length), height: '1px', padding: 0, border: 0 }, 'aria-hidden': true }), ...shown.slice(first, last).map((row, k) => {
    const style = place(first + k);
    if (row.top) return h('div', { class: 'top', style }, say(row.e.heading));
    return h('div', { style, role: 'option', 'aria-selected': String(row.key === state.row), onclick: () => choose(row) },
      h('span', { class: 'n' }, row.q ? '?' : String(row.i + 1)), h('div', { class: 'line' }, say(row.q ? row.q.question : row.turn.chunk)), h('div', { class: 'sub' }, summary(row)));
  }));
}
const verdict = (one) => h('span', { class: `badge ${one.correct == null ? '' : one.correct ? 'ok' : 'bad'}` }, one.correct == null ? 'not scored' : one.correct ? '✓ right' : '✗ wrong');
function summary(row) {
  if (row.q) return [row.q.tries.map((one, k) => h('span', {}, row.e.names.length > 1 && `${row.e.names[k].replace(/ RL$/, '')} `, verdict(one))), chip(row.type)];
  const paid = row.turn.tries.map((one) => one.reward && one.reward.total).filter((x) => x != null);
  if (paid.length) return [`reward ${digits(Math.min(...paid))} to ${digits(Math.max(...paid))}`, row.failed && h('span', { class: 'badge bad' }, 'failed call')];
  return row.turn.tries.map((one, k) => h('span', {}, row.e.names.length > 1 && `${row.e.names[k].replace(/ RL$/, '')}: `, tools(one).join(', '))).concat(row.failed ? [h('span', { class: 'badge bad' }, 'failed call')] : []);
}
function step(event) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  let at = shown.findIndex((row) => row.key === state.row) + by;
  while (shown[at] && shown[at].top) at += by;
  if (!shown[at]) return;
  choose(shown[at]);
  const list = $('list');
  list.scrollTop = Math.min(at * ROW, Math.max(list.scrollTop, (at + 1) * ROW - list.clientHeight));
}
function choose(row) {
  $('main').classList.toggle('reading', Boolean(row));  // a phone shows one pane
  state.row = row ? row.key : '';
  save();
  paint();
  $('detail').replaceChildren(...(row ? [h('button', { class: 'back', onclick: () => choose(null) }, '‹ all turns'), row.q ? question(row) : turn(row)] : [h('p', { class: 'quiet' }, 'Choose a turn or a question.')]));
  $('detail').scrollTop = 0;
}

const entry = ([kind, id, text], name) => h('li', { class: name }, h('span', { class: 'id' }, id == null ? kind : `${kind} ${id}`), say(text));
const entries = (some, empty) => some.length ? h('ul', {}, some.map((one) => entry(one))) : h('p', { class: 'quiet' }, empty);
function change([kind, id, old, now]) {
  const label = h('span', { class: 'id' }, id == null ? kind : `${kind} ${id}`);
  if (old == null) return h('li', { class: 'new' }, label, '+ ', say(now));
  if (now == null) return h('li', { class: 'gone' }, label, '− ', say(old));
  const [a, b] = [old.split(' '), now.split(' ')];  // what begins and ends alike did not change
  let i = 0, j = 0;
  while (i < Math.min(a.length, b.length) && a[i] === b[i]) i++;
  while (j < Math.min(a.length, b.length) - i && a.at(-1 - j) === b.at(-1 - j)) j++;
  const cut = (some) => some.slice(i, some.length - j).join(' '), end = j ? ` ${a.slice(-j).join(' ')}` : '';
  return h('li', {}, label, say(`${a.slice(0, i).join(' ')} `), h('del', { class: 'gone' }, say(cut(a))), ' ', h('ins', { class: 'new' }, say(cut(b))), say(end));
}
function memory(e, k, until) {
  const kept = new Map();
  e.turns.slice(0, until + 1).forEach((turn) => turn.tries[k] && turn.tries[k].changes.forEach(([kind, id, , now]) => now == null ? kept.delete(`${kind}${id}`) : kept.set(`${kind}${id}`, [kind, id, now])));
  return [...kept.values()];
}
function tokens(one) {
  if (!one.tokens || !one.tokens.length) return h('pre', { class: 'scroll' }, one.text ? say(one.text) : h('i', { class: 'quiet' }, 'empty'));
  const total = one.tokens.reduce((sum, token) => sum + token[1], 0);
  return [h('pre', { class: 'tokens scroll' }, one.tokens.map(([text, logp]) => h('span', { title: `log-prob ${logp.toFixed(3)}, p ${Math.exp(logp).toFixed(3)}`,
    style: { background: `color-mix(in srgb, var(--c1) ${Math.round(55 * (1 - Math.exp(logp)))}%, var(--code))` } }, say(text || 'end')))),
    h('small', { class: 'quiet' }, `log-prob ${total.toFixed(2)} in ${count(one.tokens.length, 'token')}; the darker, the less likely`)];
}
function parts(reward) {
  const most = Math.max(...Object.values(reward).map(Math.abs), 1e-9);
  return h('div', { class: 'parts' }, Object.entries(reward).map(([name, x]) => [h('span', {}, name), h('i', { class: x < 0 && 'minus', style: { width: `${100 * Math.abs(x || 0) / most}%` } }), h('span', {}, digits(x))]));
}
function turn({ e, i, turn }) {
  const paid = turn.tries.map((one) => (one.reward || {}).total).filter((x) => x != null), mean = paid.reduce((x, y) => x + y, 0) / paid.length;
  const best = Math.max(...paid), order = [...turn.tries.keys()];
  if (paid.length) order.sort((a, b) => turn.tries[b].reward.total - turn.tries[a].reward.total);
  return h('article', {}, h('small', { class: 'quiet' }, say(e.heading), `, turn ${i + 1} of ${e.turns.length}`), h('div', { class: 'said' }, say(turn.chunk)),
    turn.view && [h('h3', {}, 'In view'), entries(turn.view, 'nothing')],
    h('div', { class: 'tries' }, order.map((k) => [k, turn.tries[k]]).map(([k, one]) => h('section', { class: `card ${one.reward && one.reward.total === best ? 'best' : ''}` },
      h('div', { class: 'bar' }, h('strong', {}, say(e.names[k])), one.kept && chip('carried out', 'ok'), one.forced && chip('first call forced')),
      one.view && [h('h3', {}, 'In view'), entries(one.view, 'nothing')],
      h('h3', {}, 'Sampled'), tokens(one), h('h3', {}, 'Calls'),
      h('ul', {}, one.calls.length ? one.calls.map(([text, ok, error]) => h('li', {}, h('code', {}, say(text)), ' ', h('span', { class: `badge ${ok ? 'ok' : 'bad'}` }, ok ? 'ok' : say(error)))) : h('li', { class: 'quiet' }, 'none')),
      h('h3', {}, 'Memory'), h('ul', {}, one.changes.length ? one.changes.map(change) : h('li', { class: 'quiet' }, 'unchanged')),
      one.reward ? [h('h3', {}, 'Reward'), parts(one.reward), one.reward.total != null && h('small', { class: 'quiet' }, `${one.reward.total < mean ? '−' : '+'}${digits(Math.abs(one.reward.total - mean))} beside the mean of the group`)]
        : h('details', {}, h('summary', {}, 'the whole memory after it'), entries(memory(e, k, i), 'empty'))))));
}
function question({ e, q }) {
  const gold = new Set(words(q.gold)), asked = new Set(words(q.question)), often = {};
  e.turns.forEach((one) => new Set(words(one.chunk)).forEach((word) => { often[word] = (often[word] || 0) + 1; }));
  const told = e.turns.map((one, i) => [[...new Set(words(one.chunk))].reduce((sum, word) => sum + (gold.has(word) ? 2 : asked.has(word) ? 1 : 0) / often[word], 0), i])
    .filter(([score], _, all) => score > 0.4 * Math.max(...all.map((one) => one[0]))).sort((a, b) => b[0] - a[0]).slice(0, 6).sort((a, b) => a[1] - b[1]);
  const marked = (text) => h('bdi', {}, String(text).split(/([\p{L}\p{N}]+)/u).map((word, k) => k % 2 && gold.has(word.toLowerCase()) ? h('mark', {}, seen(word)) : seen(word)));
  return h('article', {}, h('small', { class: 'quiet' }, say(e.heading), ', question'), h('div', { class: 'said' }, say(q.question)), h('div', { class: 'bar' }, h('span', {}, 'gold: ', h('strong', {}, say(q.gold))), chip(q.type)),
    h('div', { class: 'tries' }, q.tries.map((one, k) => h('section', { class: 'card' }, h('div', { class: 'bar' }, h('strong', {}, say(e.names[k])), verdict(one)),
      h('h3', {}, 'The reader answered'), one.answer ? h('p', { class: 'said' }, say(one.answer)) : h('p', { class: 'quiet' }, one.answer == null ? 'nothing: it failed' : 'nothing: it abstained'),
      one.notes && [h('h3', {}, 'From what recall found'), h('ul', {}, one.notes.length ? one.notes.map((note) => h('li', {}, marked(note))) : h('li', { class: 'quiet' }, 'nothing'))],
      one.core && [h('h3', {}, 'and the core'), marked(one.core)],
      h('details', {}, h('summary', {}, 'the whole memory'), entries(memory(e, k, e.turns.length), 'empty'))))),
    h('h2', {}, 'Where the text speaks of it'), h('ul', {}, told.map(([, i]) => h('li', {}, h('button', { class: 'flat', onclick: () => choose(rows.find((row) => row.e === e && row.i === i)) }, `turn ${i + 1}`), marked(e.turns[i].chunk), ' ',
      e.turns[i].tries.map((one, k) => chip(`${e.names[k]}: ${tools(one).join(', ')}`))))));
}

// ---- a store: the key is kept in this variable alone
let key = '', space = '';
async function store(path, body, method = body ? 'POST' : 'GET') {
  return ask(`v1/namespaces/${encodeURIComponent(space)}/${path}`, { method, body: body && JSON.stringify(body), headers: { Authorization: `Bearer ${key}`, ...(body && { 'Content-Type': 'application/json' }) } });
}
function showStore() {
  const open = h('form', { class: 'bar', onsubmit: (event) => { event.preventDefault(); [space, key] = [open.elements.space.value, open.elements.key.value]; openStore(); } },
    h('input', { name: 'space', placeholder: 'namespace', value: space, required: true, 'aria-label': 'namespace' }),
    h('input', { name: 'key', type: 'password', placeholder: 'key: mem_...', value: key, required: true, autocomplete: 'off', 'aria-label': 'key' }), h('button', { class: 'main' }, 'Open'));
  $('main').replaceChildren(...(overview.store ? [open, h('div', { id: 'store' })] : [h('p', { class: 'quiet' }, 'No store here: start with --store=FILE.')]));
  if (key && overview.store) openStore();
}
async function openStore(told = '') {
  const at = $('store');
  try {
    const [stats, notes, history] = await Promise.all([store('stats'), pages(), store('history')]);
    const live = [...new Set(history.filter((one) => one.ok && !one.undone).map((one) => one.event))].sort((a, b) => b - a);
    const find = h('form', { class: 'bar', onsubmit: (event) => { event.preventDefault(); reply(find.elements.asked.value); } }, h('input', { name: 'asked', placeholder: 'ask as the reader is asked', required: true, 'aria-label': 'question' }), h('button', {}, 'Ask'));
    at.replaceChildren(h('p', { class: 'quiet' }, told, ` ${count(notes.length, 'note')}, ${stats.tokens}${stats.most_tokens == null ? '' : ` of ${stats.most_tokens}`} tokens, ${count(stats.events, 'event')}`),
      h('div', { class: 'store' }, h('section', { class: 'card' }, find, h('div', { id: 'reply' }), h('h3', {}, 'Memory'), h('ul', { class: 'scroll' }, notes.length ? notes.map((note) => entry([note.kind, note.id === 'core' ? null : note.id, note.text])) : h('li', { class: 'quiet' }, 'empty'))),
        h('section', { class: 'card' }, h('div', { class: 'bar' }, h('strong', {}, 'History'), live.length > 0 && h('button', { class: 'risk', onclick: () => undo(1, live) }, 'Undo the last')), past(history, live))));
  } catch (error) { at.replaceChildren(h('p', { class: 'bad', role: 'alert' }, say(error.message))); }
}
async function pages() {
  for (let found = []; ;) {
    const more = await store(`memories?limit=1000&offset=${found.length}`);
    found = found.concat(more);
    if (more.length < 1000) return found;
  }
}
async function reply(asked) {
  try {
    const found = await store('answer', { question: asked });
    $('reply').replaceChildren(h('h3', {}, 'The reader answers'), h('p', { class: 'said' }, found.answer ? say(found.answer) : h('i', { class: 'quiet' }, 'nothing')), h('h3', {}, 'from'),
      entries([...(found.core ? [['core', null, found.core]] : []), ...found.notes.map((note) => [note.kind, note.id, note.text])], 'nothing'));
  } catch (error) { $('reply').replaceChildren(h('p', { class: 'bad' }, say(error.message))); }
}
function past(history, live, most = 200) {
  const list = h('ul'), newest = history.slice().reverse();
  newest.slice(0, most).forEach((one, k) => list.append(h('li', { class: one.undone && 'undone' }, (!k || newest[k - 1].event !== one.event) && h('div', { class: 'bar' }, h('small', { class: 'quiet' }, `${one.event}: ${one.what}, ${new Date(one.at).toLocaleString()}`),
    one.undone ? chip('undone') : live.indexOf(one.event) > 0 && h('button', { class: 'flat', onclick: () => undo(live.indexOf(one.event) + 1, live) }, 'undo to here')),
    one.read && h('div', { class: 'quiet' }, '“', say(one.read), '”'), h('code', {}, say(`${one.tool} ${one.kind} ${one.id == null ? '' : one.id} ${one.text}`)), ' ', !one.ok && h('span', { class: 'badge bad' }, say(one.error)))));
  if (newest.length > most) list.append(h('li', {}, h('button', { onclick: () => list.replaceWith(past(history, live, most * 4)) }, 'older')));
  return list;
}
async function undo(n, live) {
  const history = await store('history'), dialog = $('dialog'), gone = live.slice(0, n);
  const calls = history.filter((one) => gone.includes(one.event) && one.ok).reverse();
  dialog.replaceChildren(h('h1', {}, `Undo ${count(n, 'event')}?`), h('p', { class: 'quiet' }, 'These calls are taken back. They stay in the history, and cannot be redone.'),
    h('ul', { class: 'scroll' }, calls.map((one) => h('li', {}, h('code', {}, say(`${one.tool} ${one.kind} ${one.id == null ? '' : one.id} ${one.text}`))))),
    h('div', { class: 'bar' }, h('button', { class: 'risk', onclick: async () => {
      dialog.close();
      const now = (await store('history')).filter((one) => one.ok && !one.undone).map((one) => one.event);
      if (Math.max(...now) !== live[0]) return openStore('Others have written meanwhile: nothing was undone.');
      try { await store('undo', { n }); openStore(`Undone: ${count(n, 'event')}.`); } catch (error) { openStore(error.message); }
    } }, 'Undo'), h('button', { onclick: () => dialog.close() }, 'Cancel')));
  dialog.showModal();
}

// ---- where one is, and what is new
const LISTS = ['runs', 'metrics'];
let saving;
function save() { clearTimeout(saving); saving = setTimeout(saveNow, 200); }  // browsers bound how often
function saveNow() {
  const kept = Object.entries(state).filter(([, x]) => x.length).map(([name, x]) => LISTS.includes(name) ? [name, x.join(' ')] : [name, x]);
  history.replaceState(null, '', `#${new URLSearchParams(kept)}`);
}
function restore() {
  new URLSearchParams(location.hash.slice(1)).forEach((x, name) => { if (name in state) state[name] = LISTS.includes(name) ? x.split(' ').filter(Boolean) : x; });
}
const TABS = { runs: ['Runs', showRuns], episodes: ['Episodes', showEpisodes], store: ['Store', showStore] };
async function go(change) {
  Object.assign(state, change);
  save();
  if (DATA) state.tab = 'episodes'; else $('tabs').replaceChildren(...Object.entries(TABS).map(([tab, [text]]) => h('button', { 'aria-current': tab === state.tab && 'page', onclick: () => go({ tab }) }, text)));
  $('main').className = '';
  try { await (TABS[state.tab] || TABS.runs)[1](); }
  catch (error) { $('main').replaceChildren(h('p', { class: 'bad', role: 'alert' }, say(error.message))); }
}
async function poll() {
  if (document.hidden) return;
  const before = JSON.stringify(overview), ended = () => overview.runs.map((run) => run.name + run.finished).join(), were = ended();
  try { overview = await ask('runs'); $('status').textContent = overview.runs.some((run) => !run.finished) ? 'looks again every 3 s' : ''; }
  catch { $('status').textContent = 'the server does not answer'; return; }
  if (JSON.stringify(overview) === before) return;
  if (ended() !== were && state.tab !== 'store') return go({});
  if (state.tab === 'runs' && $('curves')) drawCurves($('curves'));
  if (state.tab === 'episodes' && state.from === 'training') { rows = flatten(await episodes()); const at = $('list').scrollTop; refresh(); $('list').scrollTop = at; }
}
(async () => {
  restore();
  onhashchange = () => { restore(); go({}); };
  if (!DATA) { overview = await ask('runs'); setInterval(poll, 3000); }
  go({});
})();
