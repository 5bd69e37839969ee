// Makes the report: one HTML file without a script, that fetches nothing. Pure functions; they know neither the page nor
// how results are gathered. An entry is {place: [titles], when: Date, asked: [[box, value]], shown: [[part, value]],
// model: text}; a box {label, kind}, a part {kind, id, around: [ids], title}, as playground/tabs/report.py says them.
const TAGS = new Set(('a abbr b blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption figure h1 h2 '
  + 'h3 h4 h5 h6 hr i kbd li mark meter ol p pre q s samp section small span strong sub summary sup table tbody td tfoot th thead '
  + 'time tr u ul svg g path line rect circle ellipse polyline polygon text tspan title desc defs clippath lineargradient stop').split(' '));
const GONE = new Set(('script style template noscript iframe object embed link meta base form input select option textarea datalist '
  + 'progress audio video source canvas math dialog head use image foreignobject animate set').split(' '));
const KEPT = /^(class|title|lang|dir|open|colspan|rowspan|scope|tabindex|value|min|max|low|high|optimum|start|datetime|aria-label|aria-hidden|role|viewbox|width|height|x|y|x1|x2|y1|y2|cx|cy|r|rx|ry|d|points|fill|stroke|stroke-[a-z]+|opacity|transform|text-anchor|dominant-baseline|font-[a-z]+|offset|stop-[a-z]+|style)$/i;
const NO_FRAME = 'What stood here draws itself by a script, and this file has none. Attention’s other panes draw the same weights as pictures.';
const ROWS = 200; // of a table that was typed or loaded
const DRAWN = {width: 820, height: 450}; // pixels, of a chart that does not say

const node = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => value != null && made.setAttribute(name, value));
  made.append(...children.filter((each) => each != null && each !== ''));
  return made;
};

const harmless = (style) => !/url\s*\(|image-set|@|expression|\\|position|behavior|-moz-binding|\/\*/i.test(style);

// What may stay of a piece of HTML: text, tables, drawings. It is read where nothing runs or is fetched.
function cleaned(html) {
  const from = new DOMParser().parseFromString(`<body>${html}`, 'text/html').body;
  const kept = document.createDocumentFragment();
  keepOf(from, kept);
  return kept;
}

function keepOf(from, to) {
  for (const child of from.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) to.append(child.data);
    if (child.nodeType !== Node.ELEMENT_NODE) continue;
    const tag = child.localName.toLowerCase();
    if (tag === 'iframe') to.append(node('p', {class: 'note'}, NO_FRAME));
    else if (tag === 'img') keepPicture(child, to);
    else if (GONE.has(tag) || child.matches('button.act')) continue; // what only does something
    else to.append(keptElement(child, tag));
  }
}

function keptElement(child, tag) {
  if (!TAGS.has(tag) && tag !== 'button' && tag !== 'label') {
    const inside = document.createDocumentFragment();
    keepOf(child, inside);
    return inside;
  }
  const drawn = child.namespaceURI === 'http://www.w3.org/2000/svg';
  const name = {button: 'span', label: 'span', a: 'span'}[tag] ?? child.localName;
  const made = drawn ? document.createElementNS(child.namespaceURI, child.localName) : document.createElement(name);
  for (const {name: attribute, value} of child.attributes) {
    if (!KEPT.test(attribute) || (attribute === 'style' && !harmless(value)) || /url\s*\(|script:/i.test(value)) continue;
    if (attribute === 'tabindex' && value !== '0') continue; // what scrolls can be reached by keyboard
    if (name === 'span' && /^(open|value|tabindex)$/.test(attribute)) continue;
    if (attribute === 'role' && !/^(img|list|listitem|table|row|cell|rowheader|columnheader|note|region|group)$/.test(value)) continue;
    made.setAttribute(attribute, value);
  }
  if (tag === 'button') made.classList.add('was-button');
  if (tag === 'button' && child.getAttribute('aria-pressed') === 'true') made.classList.add('was-pressed');
  if (name === 'span') made.removeAttribute('aria-label'); // of what could be pressed
  if (child.id) made.classList.add(`id-${child.id}`);
  keepOf(child, made);
  return made;
}

function keepPicture(child, to) {
  const source = child.getAttribute('src') ?? '';
  if (/^data:image\/(png|jpeg|gif|webp);base64,/i.test(source)) to.append(node('img', {src: source, alt: child.alt}));
  else if (child.alt) to.append(child.alt);
}

// Each kind of thing that a pane shows, or that it was asked.
const isNothing = (value) => value == null || value === '' || (Array.isArray(value) && !value.length);
const plainNote = (text) => text.replace(/\\([\\`*_<>[\]~|$&])/g, '$1'); // `views/messages.literal`, undone
const asWritten = (text) => text.replaceAll('<\u2060', '<').replaceAll('!\u2060[', '!['); // `views/messages.shown`, undone

function said({role, content}) {
  const parts = typeof content === 'string' ? [content] : [content].flat().map((each) => each?.text ?? '');
  const made = node('div', {class: `said-by ${role === 'user' ? 'user' : 'model'}`}, node('h4', {}, role === 'user' ? 'Asked' : 'Answer'));
  made.append(node('div', {class: 'typed'}, asWritten(parts[0] ?? '')));
  made.append(...parts.slice(1).map((text) => node('p', {class: 'note'}, plainNote(text))));
  return made;
}

function table({headers = [], data = []}) {
  const head = node('thead', {}, node('tr', {}, ...headers.map((each) => node('th', {scope: 'col'}, String(each ?? '')))));
  const rows = data.slice(0, ROWS).map((row) => node('tr', {}, ...row.map((each) => node('td', {}, String(each ?? '')))));
  const made = node('div', {class: 'wide', tabindex: 0, role: 'region', 'aria-label': 'Table'}, node('table', {class: 'plain'}, head, node('tbody', {}, ...rows)));
  if (data.length > ROWS) made.append(node('p', {class: 'note'}, `The first ${ROWS} of ${data.length.toLocaleString('en')} rows.`));
  return made;
}

const named = (value) => String(value?.text ?? value ?? '').replace(/<[^>]*>/g, ' ').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&').trim();

function aboutChart({data = [], layout = {}}) {
  const axes = ['xaxis', 'yaxis'].map((name) => named(layout[name]?.title)).filter(Boolean);
  const names = data.map((trace) => trace.name).filter(Boolean).slice(0, 6);
  const title = named(layout.title);
  return `Chart${title ? `: ${title}` : ''}${axes.length ? `; axes: ${axes.join(', ')}` : ''}${names.length ? `; of ${names.join(', ')}` : ''}`;
}

async function chart(value, draw) {
  const drawn = JSON.parse(value.plot);
  const layout = {...drawn.layout, width: drawn.layout?.width ?? DRAWN.width, height: drawn.layout?.height ?? DRAWN.height};
  const picture = await draw({data: drawn.data, layout, config: {staticPlot: true}});
  const image = node('img', {src: picture, alt: aboutChart(drawn), width: layout.width, height: layout.height});
  return node('figure', {class: 'chart', tabindex: 0}, image); // on a phone it scrolls
}

async function part([{kind, id, title}, value], draw) {
  if (isNothing(value)) return null;
  if (kind === 'plot') return value.plot ? chart(value, draw) : null;
  if (kind === 'chatbot') return node('div', {class: 'talk'}, ...value.map(said));
  if (kind === 'dataframe') return table(value);
  if (kind === 'code') return node('details', {class: 'code'}, node('summary', {}, title || 'Code'), node('pre', {}, value));
  if (kind === 'textbox') return node('div', {class: 'typed text'}, value);
  if (typeof value !== 'string') return null; // values for a script
  const inside = cleaned(value);
  return inside.textContent.trim() || inside.querySelector?.('svg, img') ? inside : null;
}

// Where it stood on the page, as classes, so that its styles find it.
function wrapped(content, {id, around = []}) {
  const inner = node('div', {class: ['shown', id && `id-${id}`].filter(Boolean).join(' ')}, content);
  return around.reduce((inside, each) => node('div', {class: `id-${each}`}, inside), inner);
}

const folded = (value) => node('details', {class: 'folded'}, node('summary', {}, `Table, ${value.data.length} ${value.data.length === 1 ? 'row' : 'rows'}`), table(value));
const isLong = ({kind}, value) => (kind === 'textbox' && String(value).length > 24) || kind === 'dataframe';
const worded = (value) => (value === true ? 'yes' : value === false ? 'no' : [value].flat().map(String).join(', '));

function askedOf(asked) {
  const given = asked.filter(([, value]) => !isNothing(value) && !(value.data && !value.data.flat().some((each) => !isNothing(each))));
  const long = given.filter(([box, value]) => isLong(box, value)), short = given.filter(([box, value]) => !isLong(box, value));
  const made = node('div', {class: 'asked-for'});
  if (long.length) made.append(node('dl', {class: 'texts'}, ...long.map(([box, value]) => node('div', {},
    node('dt', {}, box.label || 'Table'), node('dd', {}, box.kind === 'dataframe' ? folded(value) : node('div', {class: 'typed'}, value))))));
  if (short.length) made.append(node('dl', {class: 'settings'}, ...short.map(([box, value]) => node('div', {},
    node('dt', {}, box.label || 'Choice'), node('dd', {}, worded(value))))));
  return made;
}

async function section(entry, at, draw) {
  const when = entry.when.toLocaleString('en-GB', {dateStyle: 'medium', timeStyle: 'medium'});
  const made = node('section', {id: `result-${at}`, 'aria-labelledby': `result-${at}-title`},
    node('h2', {id: `result-${at}-title`}, `${at}. ${entry.place.join(' · ')}`),
    node('p', {class: 'when'}, [when, entry.model].filter(Boolean).join(' · ')), askedOf(entry.asked));
  let title = '';
  for (const one of entry.shown) {
    let content;
    try { content = await part(one, draw); } catch { content = node('p', {class: 'note'}, 'A chart stood here that could not be drawn anew.'); }
    if (!content) continue;
    if (one[0].title && one[0].title !== title && one[0].kind !== 'code') made.append(node('h3', {}, one[0].title));
    title = one[0].title;
    made.append(one[0].kind === 'html' ? wrapped(content, one[0]) : content);
  }
  return made;
}

// Rules of a style sheet as [before the brackets, in them]. As text: a browser's own list loses a border that is made of
// a variable and then changed on one side.
function* blocks(css) {
  for (let at = 0, open; (open = css.indexOf('{', at)) >= 0;) {
    let end = open + 1;
    for (let depth = 1; depth && end < css.length; end += 1) depth += {'{': 1, '}': -1}[css[end]] ?? 0;
    yield [css.slice(at, open).trim(), css.slice(open + 1, end - 1).trim()];
    at = end;
  }
}

// Styles of the page that something in the report is styled by: without ids, buttons, or a class for the dark.
function* ruled(css, about = '') {
  for (const [head, body] of blocks(css)) {
    if (head.startsWith('@media')) yield* ruled(body, head.slice(6).trim());
    if (head.startsWith('@')) continue;
    for (const selector of apart(head)) {
      const dark = /^\.dark\b/.test(selector.trim());
      const plain = selector.trim().replace(/^\.dark\s+/, '').replace(/#([\w-]+)/g, '.id-$1')
        .replace(/(^|[\s>+~,(])button(?![\w-])/g, '$1.was-button').replaceAll('[aria-pressed="true"]', '.was-pressed');
      if (plain && plain !== '.dark') yield {plain, style: body, about: dark ? '(prefers-color-scheme: dark)' : about};
    }
  }
}

function apart(selector) { // at commas that stand in no brackets
  const found = [''];
  let depth = 0;
  for (const letter of selector) {
    depth += {'(': 1, '[': 1, ')': -1, ']': -1}[letter] ?? 0;
    if (letter === ',' && !depth) found.push(''); else found[found.length - 1] += letter;
  }
  return found;
}

function stylesOf(body, css) {
  const lines = [];
  for (const {plain, style, about} of ruled(css.replace(/\/\*[^]*?\*\//g, ''))) {
    const place = plain.replace(/::?[\w-]+(\([^()]*\))?$/g, (end) => (/^:(is|where|not|has|first-child|last-child|first-of-type|nth-child|empty)\b/.test(end) ? end : '')) || '*';
    let used = false;
    try { used = body.querySelector(place) !== null; } catch { continue; }
    if (used && !/url\s*\(/i.test(style)) lines.push(about ? `@media ${about} { ${plain} { ${style} } }` : `${plain} { ${style} }`);
  }
  return lines.join('\n');
}

// The theme's variables that are used, light and dark, with all that they are made of.
function variablesOf(used, themes) {
  const lines = (values) => {
    const wanted = new Set(), next = [...used.matchAll(/--[\w-]+/g)].map(([name]) => name);
    while (next.length) {
      const name = next.pop();
      if (wanted.has(name) || !(name in values)) continue;
      wanted.add(name);
      next.push(...[...values[name].matchAll(/--[\w-]+/g)].map(([other]) => other));
    }
    return [...wanted].sort().filter((name) => !/url\s*\(|[<>{}]/i.test(values[name])).map((name) => `${name}: ${values[name].trim()};`).join(' ');
  };
  return `:root { ${lines(themes.light)} }\n@media (prefers-color-scheme: dark) { :root { ${lines({...themes.light, ...themes.dark})} } }`;
}

// The whole file, as text. page: {css, own, themes: {light, dark}, versions}; draw: {data, layout} -> data: address of a picture.
async function reportOf(entries, {title, about, when, dropped}, page, draw) {
  const body = node('body'), models = [...new Set(entries.flatMap((entry) => entry.asked.filter(([box]) => box.model).map(([, value]) => value)).flat())].filter(Boolean);
  const facts = [['Made', when.toLocaleString('en-GB', {dateStyle: 'long', timeStyle: 'short'})], ['Results', String(entries.length)],
    ['Models', models.join(', ')], ['With', page.versions]].filter(([, value]) => value);
  body.append(node('header', {}, node('h1', {}, title), about ? node('p', {class: 'about typed'}, about) : null,
    node('dl', {class: 'settings'}, ...facts.map(([name, value]) => node('div', {}, node('dt', {}, name), node('dd', {}, value)))),
    dropped ? node('p', {class: 'note'}, dropped) : null));
  const list = node('ol', {}, ...entries.map((entry, at) => node('li', {}, node('a', {href: `#result-${at + 1}`}, entry.place.join(' · ')), ` ${firstWords(entry)}`)));
  if (entries.length > 1) body.append(node('nav', {'aria-label': 'Contents'}, node('h2', {}, 'Contents'), list));
  const main = node('main');
  for (const [at, entry] of entries.entries()) main.append(await section(entry, at + 1, draw));
  body.append(main);
  const styles = `${stylesOf(body, page.css)}\n${page.own}`;
  const inline = [...body.querySelectorAll('[style]')].map((each) => each.getAttribute('style')).join(' ');
  const head = node('head', {}, node('meta', {charset: 'utf-8'}),
    node('meta', {'http-equiv': 'Content-Security-Policy', content: "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"}),
    node('meta', {name: 'viewport', content: 'width=device-width, initial-scale=1'}), node('title', {}, title));
  const style = `${variablesOf(`${styles} ${inline}`, page.themes)}\n${styles}`.replaceAll('</', '<\\/');
  head.append(node('style', {}, style));
  return `<!doctype html>\n${node('html', {lang: 'en'}, head, body).outerHTML}\n`;
}

function typed(asked) {
  const texts = asked.filter(([{kind}, value]) => kind === 'textbox' && !isNothing(value)).map(([, value]) => String(value));
  return texts.find((text) => /\S\s+\S/.test(text)) ?? texts[0] ?? '';
}

// What an entry is known by in a list.
function firstWords({asked, shown}) {
  const talk = shown.find(([{kind}, value]) => kind === 'chatbot' && !isNothing(value));
  const first = talk ? talk[1].find(({role}) => role === 'user') : null;
  const text = first ? asWritten([first.content].flat().map((each) => each?.text ?? each)[0] ?? '')
    : typed(asked) || typed(shown);
  const line = String(text).replace(/\s+/g, ' ').trim();
  return line.length > 90 ? `${line.slice(0, 89)}…` : line;
}
