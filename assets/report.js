// Gathers what the page's experiments bring, lets a person choose of it, and downloads the report (report-file.js).
// EXPERIMENTS, PAGE: what playground/tabs/report.py says. It outlives a reload (report-kept.js), and nothing is sent.
const QUIET = 1500; // ms without a change, after which a result has come to rest
const MOST = 60, ROOM = 30_000_000; // entries, and letters of all of them
const SECONDS = /\d+([.,]\d+)?\s?(ms|s|seconds|tokens\/s)(?![\w])/g; // how long the same result took
const [opener, dialog] = ['.report-open', 'dialog'].map((each) => element.querySelector(each));
const [entriesList, news, download, title, remark, size] = ['.entries', '.news', '.download', '.title', '.remark', '.size']
  .map((each) => dialog.querySelector(each));
const kept = []; // oldest first
const shelved = shelf(visitOf());
const rooms = new Map(); // of each experiment: what stood there last, and what is under way
let acted = false; // somebody has done something; what stands there before was not computed in this visit
const DROPPED = 'playground.report.dropped';
let dropped = Number(remembered(DROPPED)) || 0, numbers = 0;

const isBusy = (text) => /…|<progress/.test(text ?? '');
// A reply, or a note in its place, that only says what is being waited for.
const isWaiting = ([{kind}, value]) => (kind === 'chatbot' ? value?.at(-1)?.role === 'assistant'
  && ([value.at(-1).content].flat()[0]?.text ?? value.at(-1).content) === '…' : kind === 'html' && /^<p class="note">[^<]{0,200}…<\/p>$/.test(value ?? ''));
const result = (shown) => JSON.stringify(shown.filter(([{kind}]) => kind !== 'textbox').map(([, value]) => value)); // a text may be typed on in
// In which revision, where and in which precision the picked model is in memory.
function facts() {
  const bar = document.querySelector('#status [data-state=ready]');
  if (!bar) return '';
  const [, ...rest] = [...bar.querySelectorAll('.facts > span:not(.chip)')].map((each) => each.textContent.trim());
  return [bar.dataset.revision && `revision ${bar.dataset.revision.slice(0, 12)}`, ...rest].filter(Boolean).join(', ');
}
const modelOf = (asked) => asked.find(([box]) => box.model)?.[1] ?? null;

// Without what a frame holds: megabytes, of which a report keeps nothing.
const light = (value) => (typeof value === 'string' ? value.replace(/<iframe[^]*?<\/iframe>/g, '<iframe></iframe>') : value);

function heard({of, values}) {
  const {asked: boxes, shown: parts} = EXPERIMENTS[of];
  const asked = boxes.map((box, at) => [box, values[at]]).filter(([box]) => !box.hidden || document.getElementById(box.hidden));
  const shown = parts.map((each, at) => [each, light(values[boxes.length + at])]);
  const busy = values.slice(boxes.length + parts.length).some(isBusy) || shown.some(isWaiting);
  let room = rooms.get(of);
  if (!room) rooms.set(of, room = {seen: busy ? null : result(shown), ran: false});
  if (busy && !room.busy) room.begun = null; // one begins before the last has come to rest
  if (busy || result(shown) !== room.seen) room.begun ??= {asked, model: ''}; // what was asked is what stood there when it began
  if (room.begun && modelOf(asked) && modelOf(asked) === modelOf(room.begun.asked)) room.begun.model ||= facts();
  room.shown = shown;
  room.ran ||= busy;
  room.busy = busy;
  clearTimeout(room.timer);
  if (!busy) room.timer = setTimeout(() => settle(of, room), QUIET);
}

function settle(of, room) {
  const {begun, shown, ran} = room, text = result(shown), changed = text !== room.seen;
  Object.assign(room, {begun: null, ran: false, seen: text});
  const talks = shown.filter(([{kind}]) => kind === 'chatbot'), telling = talks.length ? talks : shown.filter(([{kind}]) => kind !== 'textbox');
  if (!changed || !acted || telling.every(([{empty}, value]) => isNothing(value) || value === empty)) return;
  recalled.then(() => keep(of, begun, shown, ran || !EXPERIMENTS[of].doing, text.length));
}

// Whether an entry's conversation only went on.
function goesOn(before, now) {
  const talks = before.map(([part, value], at) => [part, value, now[at][1]]).filter(([{kind}]) => kind === 'chatbot');
  const words = (talk) => (talk ?? []).map(({role, content}) => [role, [content].flat()[0]?.text ?? content]);
  return talks.length > 0 && talks.every(([, old, young]) => {
    const [a, b] = [words(old), words(young)];
    return a.length <= b.length && a.every(([role, text], at) => role === b[at][0] && (text === b[at][1] || (at === a.length - 1 && b[at][1].startsWith(text))));
  });
}

function keep(of, begun, shown, ran, letters) {
  const last = kept.findLast((each) => each.of === of);
  const timeless = (what) => result(what).replace(SECONDS, '');
  const stamped = (what) => what.find(([{kind}, value]) => kind === 'html' && value?.match(SECONDS))?.[1]; // of one run, to 0.01 s
  const sameRun = (one) => timeless(one) === timeless(shown) || (stamped(one) && stamped(one) === stamped(shown));
  const again = last && (!ran || goesOn(last.shown, shown) // what says of no run that it runs may be looked at further
    || (JSON.stringify(last.asked) === JSON.stringify(begun.asked) && (!EXPERIMENTS[of].doing || sameRun(last.shown))));
  if (again) Object.assign(last, {shown, letters, when: new Date()}, ran ? begun : {});
  else kept.push({of, number: numbers = Math.max(numbers + 1, Date.now()), place: EXPERIMENTS[of].place, when: new Date(), ...begun, shown, letters, wanted: true});
  shelved.put(again ? last : kept.at(-1));
  while (kept.length > MOST || (kept.length > 1 && sum() > ROOM)) {
    shelved.drop(kept.shift());
    remembered(DROPPED, dropped += 1);
  }
  draw();
}

// What stood here before the page was reloaded.
async function recall() {
  const same = (entry) => (one) => `${one.place}` === `${entry.place}` && one.shown.length === entry.shown.length;
  kept.unshift(...(await shelved.all()).map((entry) => ({...entry, of: EXPERIMENTS.findIndex(same(entry))})));
  draw();
}

const sum = () => kept.reduce((all, each) => all + each.letters, 0);
const left = () => (dropped ? `${dropped} older ${dropped === 1 ? 'result was' : 'results were'} left out: ${MOST} results, or ${ROOM / 1e6} MB, are kept.` : '');

function row(entry) {
  const chosen = node('input', {type: 'checkbox', id: `report-entry-${entry.number}`});
  chosen.checked = entry.wanted;
  chosen.onchange = () => { entry.wanted = chosen.checked; shelved.put(entry); foot(); };
  const at = entry.when.toLocaleTimeString([], {hour: '2-digit', minute: '2-digit'}), name = entry.place.join(' · ');
  const label = node('label', {for: chosen.id}, node('b', {}, name), node('small', {}, at), node('span', {}, firstWords(entry)));
  const remove = node('button', {type: 'button', class: 'remove', id: `report-remove-${entry.number}`, title: 'Remove', 'aria-label': `Remove ${name}, ${at}`}, '×');
  remove.onclick = () => {
    const next = kept.indexOf(entry);
    kept.splice(next, 1);
    shelved.drop(entry);
    draw();
    (entriesList.querySelectorAll('.remove')[Math.min(next, kept.length - 1)] ?? dialog.querySelector('.close')).focus();
  };
  return node('li', {}, chosen, label, remove);
}

function foot() {
  const wanted = kept.filter((each) => each.wanted);
  download.disabled = !wanted.length;
  size.textContent = kept.length ? `${wanted.length} of ${kept.length} ${kept.length === 1 ? 'result' : 'results'}` : '';
}

function draw() {
  opener.querySelector('.count').textContent = kept.length || '';
  opener.setAttribute('aria-label', kept.length ? `Report ${kept.length} ${kept.length === 1 ? 'result' : 'results'}` : 'Report');
  dialog.classList.toggle('empty', !kept.length);
  if (!dialog.open) return;
  const focused = document.activeElement?.id; // a result may come while somebody is in the list
  entriesList.replaceChildren(...kept.map(row));
  if (focused && entriesList.querySelector(`#${CSS.escape(focused)}`)) document.getElementById(focused).focus();
  const running = [...rooms].filter(([, room]) => room.busy).map(([of]) => EXPERIMENTS[of].place.join(' · '));
  news.textContent = [left(), running.length ? `Not done yet: ${running.join('; ')}.` : ''].filter(Boolean).join(' ');
  foot();
}

// Gradio's own Plotly, which it fetches with the first chart.
async function plotly() {
  if (!window.Plotly?.toImage) await import(new URL(PAGE.plotly, document.baseURI).href);
  return window.Plotly;
}

async function picture(drawn) {
  return (await plotly()).toImage(drawn, {format: 'svg', width: drawn.layout.width, height: drawn.layout.height});
}

function themes() {
  const found = {light: {}, dark: {}};
  for (const sheet of document.styleSheets) {
    let rules = [];
    try { rules = sheet.cssRules; } catch { continue; }
    for (const {selectorText, style} of rules) {
      const which = /^:root\b(?!.*\.dark)/.test(selectorText ?? '') ? 'light' : /^(:root\s*)?\.dark(,|$)/.test(selectorText ?? '') ? 'dark' : '';
      if (which) [...style].filter((name) => name.startsWith('--')).forEach((name) => { found[which][name] = style.getPropertyValue(name); });
    }
  }
  return found;
}

async function make() {
  const wanted = kept.filter((each) => each.wanted), when = new Date(), name = title.value.trim() || 'Playground report';
  download.disabled = true;
  news.textContent = 'The report is being put together …';
  try {
    const text = await reportOf(wanted, {title: name, about: remark.value.trim(), when, dropped: left()}, {...PAGE, themes: themes()}, picture);
    const link = node('a', {download: `${name.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 60) || 'report'}.html`,
      href: URL.createObjectURL(new Blob([text], {type: 'text/html'}))});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    news.textContent = `Downloaded, ${(text.length / 1e6).toFixed(1)} MB.`;
  } catch (error) {
    console.error(error);
    news.textContent = 'The report could not be put together. Leave out results until it can; the log of this browser says why.';
  }
  foot();
}

opener.addEventListener('click', () => { trigger('collect', {}); dialog.showModal(); draw(); });
setInterval(() => { // what runs in a tab that is not open does not tell when it is done
  if (dialog.open && [...rooms.values()].some((room) => room.busy)) trigger('collect', {});
}, 3000);
dialog.querySelector('.close').addEventListener('click', () => dialog.close());
dialog.addEventListener('click', (event) => event.target === dialog && dialog.close()); // beside it
download.addEventListener('click', make);
window.addEventListener('playground-result', (event) => heard(event.detail));
const seeding = setInterval(() => { // what stands in each place to begin with is no result, also where nobody has been yet
  if (rooms.size === EXPERIMENTS.length) clearInterval(seeding);
  else trigger('collect', {});
}, 300);
for (const kind of ['pointerdown', 'keydown']) window.addEventListener(kind, () => { acted = true; }, {capture: true, once: true});
draw();
const recalled = Promise.race([recall(), new Promise((late) => setTimeout(late, 3000))]).catch(() => {});
