"""--mode=doctor: faults that were planted are found, what is well is fine."""

import json

import pytest
import small_tokenizers
from http_client_test import Server, http

from configs import tiny
from mem_alpha_jax.run import doctor
from mem_alpha_jax.run.doctor import BROKEN, FINE, LOOK


def lines(check):
  return [*doctor.told('x', check)]


def marks(found):
  return {line.mark for line in found}


@pytest.mark.slow
def test_a_run_that_is_well_has_no_other_line(capsys):
  doctor.main(tiny.get_config('data.batch_episodes=2'), 'unused')
  found = capsys.readouterr().out.splitlines()
  assert len(found) == 7 and all(line.startswith(FINE) for line in found)
  assert '8 of 8 replies can be read' in found[4]


def test_what_a_check_warns_of_and_raises_are_lines():
  def check():
    doctor.logging.warning('odd %s', 1)
    yield doctor.Line(FINE, 'one')
    raise ValueError('gone')

  assert lines(check) == [
    (LOOK, 'x: odd 1'), (FINE, 'x: one'), (BROKEN, 'x: gone'),
  ]  # fmt: skip


def rows(*texts, answer='Rome'):
  asked = [{'question': 'Where?', 'answer': answer}]
  made = [{'text': text, 'questions': asked} for text in texts]
  return [row | {'split': split} for row in made for split in doctor.SPLITS]


@pytest.mark.parametrize(
  'made, told',
  [
    (rows('Ada is in Rome.'), '1 episodes of train are in test, too'),
    (rows('It is.', 'It is.'), 'train: 1 episodes are there twice'),
    (rows('It is.', answer=''), "1 questions have no answer (answer='')"),
    ([{'text': 'It is.', 'split': s} for s in doctor.SPLITS], '0 questions'),
    ([{'chunks': 3}], 'chunks: input should be a valid list'),
  ],
)
def test_rows_of_data(tmp_path, made, told):
  path = tmp_path / 'rows.jsonl'
  path.write_text(''.join(f'{json.dumps(row)}\n' for row in made))
  config = tiny.get_config(f'data.source=jsonl,eval.lengths=1,data.file={path}')
  found = lines(lambda: doctor.data(config))
  assert any(told in line.text for line in found if line.mark != FINE), found


def dialogue(*sessions):
  said = [{'dia_id': 'D1:1', 'speaker': 'Ada', 'text': 'Hello.'}]
  found = {}
  for n in sessions:
    found |= {f'session_{n}': said, f'session_{n}_date_time': '1 May, 2023'}
  asked = {'category': 4, 'question': 'Who?', 'answer': 'Ada'}
  return found | {'qa': [asked | {'evidence': ['D1:1']}]}


@pytest.mark.parametrize(
  'sessions, expected', [((1, 2), {FINE}), ((1, 3), {FINE, LOOK})]
)
def test_a_dialogue_with_a_hole(tmp_path, sessions, expected):
  (tmp_path / 'locomo').mkdir()
  path = tmp_path / 'locomo' / '26.json'
  path.write_text(json.dumps(dialogue(*sessions)))
  config = tiny.get_config(
    f'data.source=locomo,eval.lengths=1,data.root={tmp_path}'
  )
  assert marks(lines(lambda: doctor.data(config))) == expected


@pytest.mark.parametrize(
  'end, mark, told',
  [
    ('<|im_end|>', FINE, "replies end with '<|im_end|>'"),
    ('<|endoftext|>', BROKEN, 'add the id to eos_token_id'),
    ('', LOOK, 'with nothing'),
  ],
)
def test_what_ends_a_reply(tmp_path, end, mark, told):
  pytest.importorskip('tokenizers')
  from mem_alpha_jax.pretrained import hf_tokenizer

  template = '{% for m in messages %}{{ m.content }}' + end + '{% endfor %}'
  folder = small_tokenizers.write_folder(tmp_path, small_tokenizers.tiny_json())
  (folder / 'chat_template.jinja').write_text(template)
  line = doctor._end(hf_tokenizer.from_folder(folder))
  assert line.mark == mark and told in line.text


def replies(read, text=None, finish='stop'):
  """A server that says it reads `read` of the words; it repeats, or `text`."""

  def say(nth, body):
    if 'messages' not in body:
      return http(200, b'{}')
    words = body['messages'][0]['content'].split()
    value = {
      'choices': [
        {
          'message': {'content': words[3] if text is None else text},
          'finish_reason': finish,
        }
      ],
      'usage': {
        'prompt_tokens': int(read * len(words)),
        'completion_tokens': 1,
      },
    }
    return http(200, json.dumps(value).encode())

  return say


@pytest.mark.parametrize(
  'say, expected, told',
  [
    (replies(1), {FINE}, 'of 1024 words to its beginning'),
    (replies(0), {FINE, LOOK}, 'it counts no tokens'),
    (replies(0.1), {FINE, LOOK}, 'the server cuts prompts'),
    (replies(1, 'four'), {FINE, LOOK}, 'does not find what stands'),
    (replies(1, '', 'length'), {LOOK, BROKEN}, 'no reply (empty)'),
    (lambda *unused: http(400, b'too long'), {LOOK, BROKEN}, 'too long'),
  ],
)  # fmt: skip
def test_servers(say, expected, told):
  with Server(say) as there:
    config = tiny.get_config(
      f'reading.reader=remote,reading.model=small,reading.url={there.url}'
    )
    found = lines(lambda: doctor.server(config))
  assert marks(found) == expected
  assert any(told in line.text for line in found)
