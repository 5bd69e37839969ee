// Conversations kept in this browser: one entry of localStorage each, so that two windows never overwrite each other's.
// When both have the same one open, what is said in either is kept.
// The page hands them over in props.value; what a person opens, imports or had open before goes back by trigger().
const PLACE = 'playground.conversation.', DRAFTS = 'playground.draft.';
const OPEN = 'playground.open', TYPED = 'playground.typed'; // of this window: they survive a reload, in sessionStorage
const ROOM = 5_000_000; // characters that browsers keep for a page, about
const box = element.querySelector('.saved');
const [list, search, name, notice, file] = ['.list', '.search', '.name', '.notice', '[type=file]'].map((s) => box.querySelector(s));
let warned = false; // that there is no room left
const known = new Map(); // of each conversation, which messages this window has seen: what it has not, another one has said
const typing = () => document.querySelector('#message textarea');

function read(key) {
  try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
}

function all() {
  const found = Object.keys(localStorage).filter((key) => key.startsWith(PLACE)).map(read);
  return found.filter((each) => each && Array.isArray(each.nodes)).sort((a, b) => (a.updated < b.updated ? 1 : -1));
}

function size() {
  return Object.entries(localStorage).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
}

function node(tag, text, attributes = {}) {
  const made = Object.assign(document.createElement(tag), {textContent: text});
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  return made;
}

function say(text, offer, then) {
  notice.replaceChildren(...(text ? [node('span', text)] : []));
  if (!offer) return;
  const button = node('button', offer, {type: 'button'});
  button.onclick = () => { say(''); then(); };
  notice.append(' ', button);
}

function keep(key, value, again = () => keep(key, value)) {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(key, text);
    warned = false;
    return true;
  } catch {
    if (!warned) trigger('full', {});
    warned = true;
    const open = sessionStorage.getItem(OPEN), others = all().filter((each) => each.id !== open).reverse();
    const going = [];
    for (let freed = 0; others.length && freed < text.length; going.push(others.shift())) {
      freed += JSON.stringify(others[0]).length;
    }
    const full = 'This browser keeps about 5 MB for this page and that is full: the conversation is not saved. ';
    if (!going.length) { say(full + 'Export it before you leave.'); return false; }
    const names = going.map((each) => `“${each.name}”`).join(', ');
    say(`${full}Export it, or make room.`, `Delete the oldest: ${names}`, () => {
      going.forEach((each) => localStorage.removeItem(PLACE + each.id));
      again();
      draw();
    });
    return false;
  }
}

function merged(conversation) {
  const seen = known.get(conversation.id) || new Set(), nodes = [...conversation.nodes];
  const ids = new Set(nodes.map((each) => each.id));
  known.set(conversation.id, new Set([...seen, ...ids]));
  for (const each of read(PLACE + conversation.id)?.nodes || []) {
    if (ids.has(each.id) || seen.has(each.id) || !(each.parent == null || ids.has(each.parent))) continue;
    nodes.push(each);
    ids.add(each.id);
  }
  return {...conversation, nodes};
}

function words(conversation) {
  return [conversation.name, ...conversation.nodes.map((each) => each.content)];
}

function row(conversation, wanted) {
  const open = node('button', '', {type: 'button', class: 'open'});
  open.append(node('b', conversation.name || 'Without a name'));
  const hit = wanted && conversation.nodes.find((each) => each.content.toLowerCase().includes(wanted));
  const at = hit ? hit.content.toLowerCase().indexOf(wanted) : 0;
  const when = new Date(conversation.updated).toLocaleString([], {dateStyle: 'medium', timeStyle: 'short'});
  open.append(node('small', hit ? `… ${hit.content.slice(Math.max(0, at - 20), at + 60)} …` : when));
  if (conversation.id === sessionStorage.getItem(OPEN)) open.setAttribute('aria-current', 'true');
  open.onclick = () => ask(conversation.id);
  const remove = node('button', '×', {type: 'button', title: 'Delete', 'aria-label': `Delete ${conversation.name}`});
  remove.onclick = () => discard(conversation);
  const line = node('li', '');
  line.append(open, remove);
  return line;
}

function draw() {
  const wanted = search.value.trim().toLowerCase(), kept = all();
  const found = kept.filter((each) => words(each).some((text) => text.toLowerCase().includes(wanted)));
  list.replaceChildren(...found.map((each) => row(each, wanted)));
  const share = Math.round((size() / ROOM) * 100);
  const none = kept.length ? `None of ${kept.length} conversations has these words.` : 'What you say is kept here, in this browser alone.';
  box.querySelector('.about').textContent = found.length ? `${kept.length} kept in this browser, ${share} % of its room.` : none;
}

function ask(id, reload = false) {
  const conversation = read(PLACE + id);
  if (!conversation) return false;
  known.set(id, new Set(conversation.nodes.map((each) => each.id)));
  const draft = read(DRAFTS + id);
  const alive = draft && !reload && Date.now() - draft.at < 4000; // another window is writing it
  trigger('opened', {conversation, draft: draft && !alive ? draft.node : null, typed: reload ? sessionStorage.getItem(TYPED) : null});
  return true;
}

function discard(conversation) {
  const key = PLACE + conversation.id, text = localStorage.getItem(key);
  localStorage.removeItem(key);
  localStorage.removeItem(DRAFTS + conversation.id);
  if (conversation.id === sessionStorage.getItem(OPEN)) trigger('left', {});
  say(`“${conversation.name}” is deleted.`, 'Bring it back', () => { localStorage.setItem(key, text); draw(); });
  draw();
}

function download(title, text) {
  const link = node('a', '', {download: title, href: URL.createObjectURL(new Blob([text], {type: 'application/json'}))});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function take({conversation, draft, open, file: made}) {
  if (made) download(made.name, made.text);
  if (draft) keep(DRAFTS + draft.of, {at: Date.now(), node: draft.node});
  const id = conversation ? conversation.id : open;
  if (id === undefined) return;
  sessionStorage.setItem(OPEN, id);
  if (document.activeElement !== name) name.value = conversation ? conversation.name : ''; // somebody is typing there
  if (conversation && id) {
    const whole = merged(conversation);
    if (!whole.nodes.length) localStorage.removeItem(PLACE + id);
    else keep(PLACE + id, whole);
    localStorage.removeItem(DRAFTS + id);
  }
  remember();
  draw();
}

function remember() {
  setTimeout(() => typing() && sessionStorage.setItem(TYPED, typing().value), 300); // the page has changed it by then
}

watch('value', () => props.value && take(props.value));
search.addEventListener('input', draw);
name.addEventListener('change', () => trigger('renamed', {name: name.value}));
box.querySelector('.export').addEventListener('click', () => trigger('exported', {}));
window.addEventListener('storage', draw);
document.addEventListener('input', (event) => event.target === typing() && sessionStorage.setItem(TYPED, event.target.value));
window.addEventListener('pagehide', () => typing() && sessionStorage.setItem(TYPED, typing().value));
file.addEventListener('change', async () => {
  if (file.files[0]) trigger('imported', {text: await file.files[0].text()});
  file.value = '';
});

draw();
const open = sessionStorage.getItem(OPEN), typed = sessionStorage.getItem(TYPED);
const linked = location.hash.startsWith('#link='); // then the link says what is to stand here
if (!linked && !(open && ask(open, true)) && typed !== null) trigger('opened', {conversation: null, draft: null, typed});
