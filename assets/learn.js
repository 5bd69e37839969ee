// The exercises of one tab: pick a guess, then see what the model does.
// props.value: what it did, as playground/tabs/learning.py says it. What a person asks for goes there by trigger().
const lesson = element.querySelector('.lesson');
const exercise = (answer) => lesson.querySelector(`.exercise[data-answer="${answer}"]`);

function note(place, name) {
  place.querySelector('.revealed').innerHTML = place.querySelector(`[data-note="${name}"]`).innerHTML;
}

function ask(place) {
  const guess = place.querySelector('input:checked');
  note(place, guess ? 'working' : 'pick');
  if (guess) trigger('guessed', {answer: place.dataset.answer, guess: guess.value});
}

function take({answer, right, html}) {
  const place = exercise(answer);
  if (!place) return;
  place.querySelector('.revealed').innerHTML = html; // escaped by the server
  place.querySelectorAll('[data-choice]').forEach((label) => label.classList.toggle('right', label.dataset.choice === right));
}

lesson.addEventListener('click', (event) => {
  const button = event.target.closest('.reveal');
  if (button) ask(button.closest('.exercise'));
});
window.addEventListener('playground-unanswered', () => { // which one it was is not known
  const note = (place) => place.querySelector('[data-note="working"]').innerHTML;
  lesson.querySelectorAll('.exercise').forEach((place) => {
    const revealed = place.querySelector('.revealed');
    if (revealed.innerHTML === note(place)) revealed.innerHTML = '';
  });
});
watch('value', () => props.value && take(props.value));
