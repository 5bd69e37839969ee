// Whoever clicks an example, or sends something to another tab, sees what comes of it: where that begins out of sight,
// the page goes there. It begins at what the example's button names with a class (shows-ID), else at .results-begin
// (what was sent, at .sent-begins, where there is one), else at the Stop button. From the moment at which somebody
// scrolls, types or clicks, the page stays where it is.
const LOW = 0.6; // of the window's height: what begins lower is not seen well
const THERE = 0.2; // what begins higher is where it should be, once the page had to move
const ABOVE = 16; // pixels that stay free above it
const PATIENCE = 20_000; // ms in which a tab may open, and the page grow to be high enough
const INTERVENES = ['wheel', 'touchstart', 'keydown', 'pointerdown'];
const calm = matchMedia('(prefers-reduced-motion: reduce)');
let leave = () => {};
let moving = false; // the page was sent somewhere since the last click

function beginning(button = null) {
  const named = [...(button?.classList ?? [])].find((name) => name.startsWith('shows-'));
  if (named) return document.getElementById(named.slice('shows-'.length));
  const follows = (place) => !button || button.compareDocumentPosition(place) & Node.DOCUMENT_POSITION_FOLLOWING;
  const first = (what) => [...document.querySelectorAll(`#tabs ${what}`)].find((place) => place.checkVisibility() && follows(place));
  return (!button && first('.sent-begins')) || (first('.results-begin') ?? first('button.stop'));
}

// Calls `watch`, which gives what ends it, until somebody intervenes or patience does.
function unless(watch) {
  const stop = watch();
  const over = setTimeout(() => leave(), PATIENCE);
  leave = () => {
    leave = () => {};
    stop();
    clearTimeout(over);
    INTERVENES.forEach((event) => removeEventListener(event, intervened));
  };
  const intervened = () => {
    leave();
    if (moving) scrollTo({top: scrollY, behavior: 'instant'}); // it ends here
  };
  INTERVENES.forEach((event) => addEventListener(event, intervened, {passive: true}));
}

// Goes to what `find` gives, which may be another place by and by: tabs open, and what was there goes.
function goTo(find) {
  let begun = false;
  const go = () => {
    const place = find();
    if (!place?.checkVisibility()) return;
    const top = place.getBoundingClientRect().top;
    if (top >= 0 && top < (begun ? THERE : LOW) * innerHeight) return;
    begun = moving = true;
    scrollBy({top: top - ABOVE, behavior: calm.matches ? 'auto' : 'smooth'});
  };
  unless(() => {
    const growing = new ResizeObserver(go); // calls it at once, too
    growing.observe(document.body);
    return () => growing.disconnect();
  });
}

function goToWhatOpens() {
  const here = beginning();
  unless(() => {
    const looking = setInterval(() => {
      const now = beginning();
      if (!now || now === here) return;
      leave();
      goTo(beginning);
    }, 300);
    return () => clearInterval(looking);
  });
}

document.addEventListener('click', (event) => {
  const example = event.target.closest?.('.examples button'), sent = event.target.closest?.('.sending button');
  if (!example && !sent) return;
  leave();
  moving = false;
  if (sent) goToWhatOpens();
  else goTo(() => beginning(example));
});
