// Buttons under the bubbles of the chat component: step between the versions of a message, delete it.
// props.value: for each bubble its messages, as playground/tabs/bubbles.py says them. The component draws bubbles anew
// whenever it likes, so the buttons are put back whenever they are missing.
const BIN = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" aria-hidden="true">'
  + '<path d="M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5"/></svg>';
const place = () => document.querySelector('#conversation .message-wrap');

function button(text, label, act) {
  const made = Object.assign(document.createElement('button'), {type: 'button', textContent: text, title: label});
  made.setAttribute('aria-label', label);
  made.addEventListener('click', act);
  return made;
}

function tools(messages) {
  const made = document.createElement('span');
  made.className = 'versions';
  for (const {index, version, of} of messages) {
    if (of > 1) {
      const step = (by) => () => trigger('step', {index, by});
      const before = button('‹', 'Version before', step(-1)), after = button('›', 'Version after', step(1));
      before.disabled = version === 1;
      after.disabled = version === of;
      made.append(before, `${version} of ${of}`, after);
    }
    const remove = button('', 'Delete this message and what follows', () => trigger('remove', {index}));
    remove.innerHTML = BIN;
    made.append(remove);
  }
  return made;
}

function draw() {
  const panels = place() ? [...place().querySelectorAll(':scope > .message-buttons')] : [];
  panels.forEach((panel, row) => {
    const messages = (props.value || [])[row] || [], key = JSON.stringify(messages), old = panel.querySelector('.versions');
    if (old && old.dataset.key === key) return;
    const focused = old && old.contains(document.activeElement) ? [...old.children].indexOf(document.activeElement) : -1;
    const made = tools(messages);
    made.dataset.key = key;
    if (old) old.replaceWith(made); else (panel.querySelector('.icon-button-wrapper') || panel).append(made);
    const next = focused < 0 ? null : made.children[focused];
    if (next) (next.disabled ? made.querySelector('button:not([disabled])') : next).focus();
  });
}

let due = false;
new MutationObserver(() => {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; draw(); });
}).observe(document.body, {childList: true, subtree: true});
watch('value', draw);
draw();
