// Copies links and opens them. What a link holds is in the part of the address behind #, which no server is sent.
const BEGIN = '#link=';

function openTabs() { // the page's tab, then those of the rows inside it, the outer one first
  const panel = [...document.querySelectorAll('#tabs > [role=tabpanel]')].find((each) => each.offsetParent !== null);
  const rows = [document.querySelector('#tabs .tab-wrapper'), ...(panel?.querySelectorAll('.tab-wrapper') ?? [])];
  const chosen = (row) => // where there is no room for all tabs, some are behind a button
    row.querySelector('[role=tab][aria-selected=true], .overflow-dropdown .selected')?.textContent.trim() ?? '';
  return rows.filter((row) => row?.offsetParent).map(chosen);
}

function say(place, text) { place.textContent = text; }

async function show() { // a link that has just been made
  const made = element.querySelector('[data-word]');
  if (!made) return;
  const box = made.querySelector('input'), done = made.querySelector('.done');
  box.value = location.origin + location.pathname + location.search + BEGIN + made.dataset.word;
  box.focus();
  box.select();
  try {
    await navigator.clipboard.writeText(box.value);
    say(done, 'Copied.');
  } catch {
    say(done, 'Copy it from here: this browser does not let the page do it.');
  }
}

function follow() {
  if (!location.hash.startsWith(BEGIN)) return;
  const word = location.hash.slice(BEGIN.length, BEGIN.length + 200_000);
  history.replaceState(null, '', location.pathname + location.search); // a reload keeps what is done from here on
  trigger('opened', {word});
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-do]');
  if (!button) return;
  if (button.dataset.do === 'close') return button.closest('.said').remove();
  if (button.dataset.do === 'agreed') return trigger('agreed', {});
  const [tab = '', pane = '', inner = ''] = openTabs();
  trigger('wanted', {tab, pane, inner, talk: button.dataset.talk === '1'});
});
watch('value', () => setTimeout(show, 50));
window.addEventListener('hashchange', follow);
const began = Date.now(); // first the page itself arrives: then the bar says how the model stands
const waiting = setInterval(() => {
  if (!document.querySelector('#status [data-state]') && Date.now() - began < 15_000) return;
  clearInterval(waiting);
  follow();
}, 100);
