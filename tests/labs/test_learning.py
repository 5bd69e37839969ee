"""What Learn says is whole in every language; each exercise is answered by the models, with numbers that are theirs."""

from contextlib import contextmanager

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from playground.errors import PlaygroundError
from playground.labs.learning import answers, texts
from playground.models import starters
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs import TABS
from tests import tiny

TITLES = [tab.TITLE for tab in TABS]
LESSONS = [lesson for lesson in map(texts.lesson, TITLES) if lesson]
EXERCISES = {exercise.answer: exercise for lesson in LESSONS for exercise in lesson.exercises}
OF_STARTERS = ("half_a_skill", "two_skills", "other_words", "exact_name")  # whichever model is in use

# The words


@pytest.mark.parametrize("title", TITLES)
def test_every_tab_has_a_lesson_of_its_own(title):
    lesson = texts.lesson(title)
    assert lesson, f"nothing in {texts.FOLDER} explains {title}: see Learn in README.md"
    assert lesson.title == title
    assert 1 <= len(lesson.exercises) <= 2


def test_every_answer_is_asked_for_once_and_every_question_can_be_answered():
    asked = [exercise.answer for lesson in LESSONS for exercise in lesson.exercises]
    assert sorted(asked) == sorted(answers.ANSWERS)


@pytest.mark.parametrize("name", answers.ANSWERS)
def test_the_choices_are_those_that_there_can_be(name):
    assert sorted(choice.key for choice in EXERCISES[name].choices) == sorted(answers.ANSWERS[name].choices)


def test_every_file_is_read_by_someone():
    named = {f"{title.lower().replace(' ', '-')}.toml" for title in TITLES} | {"page.toml", "tour.toml"}
    assert {path.name for path in texts.FOLDER.iterdir()} == named
    assert texts.lesson("Weather") is None


def test_chinese_is_chinese_and_english_is_not():
    said = [*texts.words().values(), *(part for step in texts.tour() for part in (step.heading, step.text))]
    for lesson in LESSONS:
        said += [*lesson.what, lesson.limits]
        said += [part for one in lesson.exercises for part in (one.question, one.reveal, one.why)]
    for one in said:
        assert any("\u4e00" <= letter <= "\u9fff" for letter in one.of("zh")), one
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in one.of("en")), one


def test_the_tour_goes_through_every_tab_in_the_order_of_the_screen():
    assert [step.tab for step in texts.tour() if step.tab] == TITLES


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('title = "Chat"', "", "chat.toml: title: Field required."),
        ('title = "Chat"', "title = Chat", "chat.toml: Invalid value (at line 3, column 9)."),
        ('key = "the", ', "", "chat.toml: exercises, 1, choices, 2, key: Field required."),
        ('key = "the"', 'key = "paris"', "chat.toml: exercises, 1: two choices have the same key."),
        ('question.zh = "文', 'question.fr = "文', "question: must be said in en and zh, and in nothing else."),
        (
            'reveal.zh = "最可能的是 `{token}`',
            'reveal.zh = "最可能的是',
            "the languages of reveal want different facts",
        ),
        (
            'reveal.zh = "最可能的是 `{token}`',
            'reveal.zh = "最可能的是 `{token`',
            "chat.toml: exercises, 1: unexpected '{' in field name.",
        ),
        ("Which token will the model find", "Which `token will", "question: has a backtick that is not closed."),
        ("year = 2017", 'year = "long ago"', "chat.toml: papers, 1, year: Input should be a valid integer"),
        ("https://arxiv.org/abs/1706.03762", "javascript:alert(1)", "chat.toml: papers, 1, url: String should match"),
        ('answer = "next_token"', 'answer = "next_token"\nhint = "no"', "exercises, 1, hint: Extra inputs are not"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_told_in_one_sentence(tmp_path, old, new, sentence):
    text = (texts.FOLDER / "chat.toml").read_text("utf-8")
    assert old in text
    (tmp_path / "chat.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=r"^chat\.toml: ") as told:
        texts.lesson("Chat", tmp_path)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


# The answers


class Lent:
    """Lends one engine, whatever is asked for."""

    def __init__(self, engine):
        self.engine = engine

    @contextmanager
    def lease(self, reference):
        yield self.engine


@pytest.mark.parametrize("architecture", ["llama", "mamba", "bert", "t5"])
def test_any_model_answers_or_says_why_not(architecture):
    asked = answers.Asked(Lent(tiny.engine(architecture)), Settings(), "tiny")
    answered = 0
    for name in set(answers.ANSWERS) - set(OF_STARTERS):
        try:
            found = answers.answer(name, asked)
        except PlaygroundError:
            continue
        answered += 1
        assert found.choice in answers.ANSWERS[name].choices
        assert found.facts.keys() >= EXERCISES[name].facts
    assert answered >= 3


def test_what_is_asked_for_must_be_an_exercise():
    with pytest.raises(PlaygroundError, match=r"no exercise “weather”. There are: next_token, temperature, "):
        answers.answer("weather", answers.Asked(Lent(None), Settings(), "tiny"))


@pytest.mark.starter
def test_the_starters_answer_everything_and_the_numbers_are_those_of_plain_transformers(starter_cache):
    """Each answer has a choice and all facts; five numbers are computed again from the files on disk."""
    settings = Settings(cache_dir=starter_cache, dtype="float32", offline=True)
    models = ModelCache(settings)
    found = {}
    for name in answers.ANSWERS:
        found[name] = answers.answer(name, answers.Asked(models, settings, answers.MIXED))
        assert found[name].choice in answers.ANSWERS[name].choices
        assert found[name].facts.keys() >= EXERCISES[name].facts
    for name in ("half_a_skill", "two_skills"):
        assert found[name].model == answers.MIXED
    assert found["other_words"].model.startswith("starter:all-minilm")
    assert int(found["exact_name"].facts["bm25"]) == 1  # a name that stands in one document alone
    folder = starters.folder(starters.find("smollm2-135m-instruct"), settings)
    for name, number in plainly(folder).items():
        question, fact = name.split("/")
        assert float(found[question].facts[fact]) == pytest.approx(number, rel=0.02, abs=0.06), name


def plainly(folder) -> dict[str, float]:
    """Facts of five exercises, by transformers' own model alone."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    read = AutoTokenizer.from_pretrained(folder)

    @torch.inference_mode()
    def run(text):
        ids = read(text, return_tensors="pt").input_ids
        return ids[0], model(ids, output_attentions=True, output_hidden_states=True)

    _, capital = run(answers.CAPITAL)
    logits = capital.logits[0, -1]
    best = logits.argsort(descending=True)[:5]
    cool, hot = logits.softmax(-1), (logits / 2).softmax(-1)
    lens = model.lm_head(model.model.norm(torch.cat([layer[:, -1] for layer in capital.hidden_states[:-1]])))
    wrong = [layer for layer, row in enumerate(lens) if row.argmax() != best[0]]  # layer 0: what goes into the first
    ids, cat = run(answers.CAT)
    it = [read.decode(one).strip() for one in ids].index("it")
    looks = torch.cat(cat.attentions).mean((0, 1))[it]

    def said(sentence):
        ids, seen = run(read.bos_token + sentence)
        return seen.logits[0, :-1].log_softmax(-1).gather(1, ids[1:, None]).sum().item()

    return {
        "next_token/p": 100 * cool[best[0]].item(),
        "next_token/p2": 100 * cool[best[1]].item(),
        "temperature/after": 100 * hot[best[0]].item(),
        "temperature/fifth_after": 100 * hot[best[4]].item(),
        "it_looks_at/share": 100 * looks.max().item(),
        "answer_appears/layer": wrong[-1],  # read after this layer it is still wrong, so that the next one brings it
        "doctor/nats": said("He is a doctor.") - said("She is a doctor."),
    }
