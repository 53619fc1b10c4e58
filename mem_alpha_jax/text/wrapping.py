"""What sources put around texts and questions, and what is left without it.

A note about a text shares no words with its header, with who speaks, or with
what every question of a source begins with. Such words are not looked up.
"""

import re

OPENERS = (
  'I came across the following and want you to remember it.',
  'Please keep this in mind, I will ask about it one day.',
  'Here is something that I read this morning.',
  'Let me share a few notes with you.',
  'This may be of use to us later.',
  'Could you store what this says?',
  'I would like to go through this text with you.',
  'Today I learned about the following.',
  'Take a look at this, there is much in it.',
  'I have copied this out for you.',
)
ACKNOWLEDGEMENTS = (
  'Thank you, I have read it and will remember it.',
  'Noted. Ask me about it at any time.',
  'I have gone through all of it.',
  'Good to know, I keep it in mind.',
  'Understood, that is stored.',
  'Thanks for sharing, I took it all in.',
  'That is clear, I wrote down what matters.',
  'Very well, I will come back to it when you need it.',
  'I see. It is in my notes now.',
  'All right, I am ready for more.',
)
HEADER = 'Conversation of the user and the assistant, '
READING = 'The user goes on reading a book, '
REMINDER = 'Assistant: I follow the story and keep a summary of it.'
SAMPLE = 'Sample: '
LABEL = '; Label: '
WHICH_LABEL = 'Which label number does this sample have? '
_AROUND = frozenset(
  [f'User: {text}' for text in OPENERS]
  + [f'Assistant: {text}' for text in ACKNOWLEDGEMENTS]
  + [REMINDER]
)
_DATE = r'\d{4}[-/]\d\d[-/]\d\d'
# Of other makers, too: 'Dialogue between User and Assistant on 2024-01-01'.
_HEADING = re.compile(
  rf'\W*(?:(?:dialogue|conversation)\b[\w ,]*|chat|event happened) (?:on|of) '
  rf'{_DATE}[^a-z]*(?:\([a-z]+\)[^a-z]*)?(?:the user is reading a book)?\W*',
  re.IGNORECASE,
)
_TAG = re.compile(
  rf'(?:{re.escape(WHICH_LABEL)})?{SAMPLE}|(?:user|assistant): '
  rf'|\[{_DATE}[^]]*\] ',
  re.IGNORECASE,
)


def body(text: str) -> list[str]:
  """Lines of a chunk without those that data/chunking.py put around them."""
  return [
    line
    for line in text.split('\n')
    if line not in _AROUND and not line.startswith((HEADER, READING))
  ]


def bare(text: str) -> str:
  """A chunk or a question without headers, tags of speakers and the like."""
  return '\n'.join(
    line[tag.end() if (tag := _TAG.match(line)) else 0 :].replace(LABEL, ' ')
    for line in body(text)
    if not _HEADING.fullmatch(line)
  )
