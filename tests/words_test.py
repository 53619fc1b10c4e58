"""Words of any script, what a query leaves out, and cuts to a budget."""

import unicodedata

import hypothesis
import pytest
from hypothesis import strategies as st

from mem_alpha_jax.data import chunking, labelled, longmemeval, sessions
from mem_alpha_jax.recall import budget
from mem_alpha_jax.text import words, wrapping
from mem_alpha_jax.types import Note, Request

SCRIPTS = {
  '我喜欢吃苹果': '我喜 喜欢 欢吃 吃苹 苹果',
  '東京タワーへ行く。': '東京 京タ タワ ワー ーへ へ行 行く',
  'ｱﾊﾟｰﾄ': 'アパ パー ート',
  '茶，2024年': '茶 2024 年',
  'ภาษาไทย': 'ภา าษ ษา าไ ไท ทย',
  'हिन्दी भाषा': 'हिन्दी भाषा',
  '한국어 공부': '한국어 공부',
  'می\u200cخواهم': 'میخواهم',
  'cafe\u0301 Café CAFÉ': 'café café café',
  'Straße STRASSE ﬁne': 'strasse strasse fine',
  "Marta's job_x: BAKER (9-to-5).": 'marta s job_x baker 9 to 5',
  '?! …': '',
}


@pytest.mark.parametrize('text', SCRIPTS)
def test_trial_words_of_a_script(text):
  assert words.terms(text) == SCRIPTS[text].split()


@hypothesis.given(st.text())
def test_words_depend_on_no_normal_form_and_no_case_of_latin(text):
  forms = {
    tuple(words.terms(unicodedata.normalize(form, text)))
    for form in ('NFC', 'NFD')
  }
  assert len(forms) == 1
  assert not any(c.isspace() for word in words.terms(text) for c in word)


@hypothesis.given(st.text(st.characters(max_codepoint=127)))
def test_ascii_words_are_the_same_by_both_ways(text):
  assert words.terms(text + ' é')[:-1] == words.terms(text)


def test_content_is_distinct_and_without_stop_words():
  assert words.content('Where is the tea, the TEA of Ana?') == ('tea', 'ana')


def spaced(text):
  return len(text.split())


@pytest.mark.parametrize(
  ('text', 'tokens', 'count', 'first', 'last'),
  [
    ('我' * 100, 10, len, '我' * 10, '我' * 10),
    ('ab cd ef', 2, spaced, 'ab cd', 'cd ef'),
    ('ab\ncd ef', 6, len, 'ab\ncd', 'cd ef'),
    ('ab cd', 9, len, 'ab cd', 'ab cd'),
    ('abcdef gh', 3, len, 'abc', 'gh'),
    ('e\u0301e\u0301', 2, len, 'e\u0301', 'e\u0301'),
    ('我喜欢 tea', 5, len, '我喜欢', '欢 tea'),
    ('我', 2, lambda text: 3 * len(text), '', ''),
    ('', 0, len, '', ''),
  ],
)
def test_trial_cuts_keep_what_fits(text, tokens, count, first, last):
  assert words.first_words(text, tokens, count) == first
  assert words.last_words(text, tokens, count) == last


@hypothesis.given(st.text(), st.integers(0, 20))
def test_cuts_fit_and_are_never_empty_for_nothing(text, tokens):
  first = words.first_words(text, tokens, len)
  assert len(first) <= tokens and first in text
  if (
    tokens >= 4 and text.strip() and not unicodedata.combining(text.strip()[0])
  ):
    marks = any(unicodedata.category(c)[0] == 'M' for c in text)
    assert first.strip() or marks


def test_trial_a_budget_leaves_core_and_best_note_of_any_script():
  notes = (
    Note('semantic', '我喜欢吃苹果' * 9, 0),
    Note('semantic', '茶' * 60, 1),
  )
  made = budget.within(Request('?', notes, '住在北京' * 9), 40, len)
  assert made.core == ('住在北京' * 9)[:36]
  assert [note.text for note in made.notes] == ['我喜欢吃']


class _First:
  """Draws the first of everything."""

  def integers(self, most):
    return 0


LME = '2023/05/30 (Tue) 23:40'


@pytest.mark.parametrize(
  ('text', 'left'),
  [
    *((chunk, 'Ana met Bob.') for chunk in chunking.converse(
      ['Ana met Bob.'], _First()
    )),
    (chunking.read_aloud('Ana met Bob.', chunking.DAY_ONE), 'Ana met Bob.'),
    (longmemeval.dated('Where was I?', LME), 'Where was I?'),
    (f'{sessions.heading(LME)}\nUser: I met Bob.', 'I met Bob.'),
    (labelled.question('turn on the light'), 'turn on the light'),
    (labelled.line('turn on the light', '3'), 'turn on the light 3'),
    (
      '<Dialogue between User and Assistant on 2024-03-01 00:00>\n'
      'user: Hello\nassistant: please go on',
      'Hello\nplease go on',
    ),
    ('Chat with Bob on 2024-03-01: he left.', None),
    ('Event planning on 2024-03-01 in Oslo.', None),
    ('Ana met Bob on 8 May 2024.', None),
  ],
)  # fmt: skip
def test_trial_what_sources_put_around_a_text_is_no_word_of_a_query(text, left):
  assert wrapping.bare(text) == (text if left is None else left)
