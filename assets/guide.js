// The right of the page's head: which language the explanations are in, and the tour. Both are remembered by this browser.
const LANGUAGE = 'playground.language', SEEN = 'playground.tour';
const guide = element.querySelector('.guide'), card = guide.querySelector('.tour');
const [invitation, again] = ['.invitation', '.again'].map((each) => guide.querySelector(each));
const steps = [...card.querySelectorAll('.step')];
let at = -1, shown = null;

function kept(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

function keep(key, value) {
  try { localStorage.setItem(key, value); } catch { /* a browser that keeps nothing asks again */ }
}

// Languages

const switches = [...guide.querySelectorAll('[data-language]')];

function speak(language) {
  document.documentElement.dataset.language = language;
  switches.forEach((each) => each.setAttribute('aria-pressed', each.dataset.language === language));
}

switches.forEach((each) => each.addEventListener('click', () => {
  keep(LANGUAGE, each.dataset.language);
  speak(each.dataset.language);
}));
const known = switches.map((each) => each.dataset.language);
speak([kept(LANGUAGE), navigator.language.slice(0, 2)].find((each) => known.includes(each)) || known[0]);

// The tour

function offer() {
  invitation.hidden = kept(SEEN) !== null;
  again.hidden = !invitation.hidden;
}

// The first that find() gives, for which the page has three seconds: tabs are made when they are first opened.
async function arrival(find) {
  for (let left = 60; left > 0; left -= 1) {
    const found = find();
    if (found) return found;
    await new Promise((then) => setTimeout(then, 50));
  }
  return null;
}

// Gradio keeps an unseen copy of the tabs, by which it measures how many there is room for; the others are in a menu.
const visible = (selector) => [...document.querySelectorAll(selector)]
  .filter((each) => each.checkVisibility({visibilityProperty: true}) && !each.closest('[aria-hidden="true"]'));

function openTab(name) {
  const strip = document.querySelector('#tabs > .tab-wrapper');
  const tabs = [...strip.querySelectorAll('[role="tab"], .overflow-dropdown button')];
  tabs.find((each) => each.textContent.trim() === name)?.click();
}

function unmark() {
  if (shown) shown.classList.remove('toured');
  shown = null;
}

async function show(next) {
  unmark();
  at = next;
  const step = steps[at];
  steps.forEach((each) => { each.hidden = each !== step; });
  card.querySelector('.count').textContent = `${at + 1} / ${steps.length}`;
  card.querySelector('.back').hidden = at === 0;
  card.querySelector('.next').hidden = at === steps.length - 1;
  card.querySelector('.done').hidden = at < steps.length - 1;
  if (!card.matches(':popover-open')) card.showPopover();
  step.querySelector('h2').focus();
  if (step.dataset.tab) openTab(step.dataset.tab);
  const target = await arrival(() => visible(step.dataset.target)[0]);
  if (at !== next || !target) return; // already elsewhere
  shown = target;
  target.classList.add('toured');
  target.scrollIntoView({block: 'center'});
}

function end() {
  unmark();
  at = -1;
  card.hidePopover();
  keep(SEEN, 'seen');
  offer();
  again.focus({preventScroll: true});
}

guide.querySelectorAll('.start').forEach((each) => each.addEventListener('click', () => show(0)));
guide.querySelector('.dismiss').addEventListener('click', () => { keep(SEEN, 'seen'); offer(); again.focus({preventScroll: true}); });
card.querySelector('.back').addEventListener('click', () => show(at - 1));
card.querySelector('.next').addEventListener('click', () => show(at + 1));
['.close', '.done'].forEach((each) => card.querySelector(each).addEventListener('click', end));
document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && at >= 0) end(); });
offer();
