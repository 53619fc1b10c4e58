"""Words and templates of the workflow world in English."""

from mem_alpha_jax.data import synthetic_words
from mem_alpha_jax.data.worlds import vocabulary
from mem_alpha_jax.data.worlds.language import Language, said

ORDERS = ('first', 'second', 'third')
MISSING, DELETED = FLAWS = ('missing', 'deleted')
_SIZES = (24, 8, 8)
_WORDS = {
  'site': """
    Brightmart Cloudnest Parcelio Ticketon Shopwise Medilink Bookhaven Farepoint
    Rentwell Gridworks Payfleet Stockpile Docuhub Mailgate Forumly Wikibase
    Gitforge Taskboard Helpwise Careport Autolane Petcove Homeledger Jobspring
    Tunecast Filmrow Sporthive Foodcart Farmgate Jetbooker Hotelio Campusnet
    Bankside Lendmark Insurely Taxbridge Lawdesk Artspace Photonest Gamevault
  """,
  'form': """
    refund purchase return booking invoice payroll leave transfer enrollment
    warranty subscription donation shipment reservation complaint referral
    prescription visa mortgage audit survey application deposit withdrawal
    renewal cancellation registration delivery rental claim quote appointment
    membership upgrade exchange voucher timesheet budget ballot relocation
  """,
  'menu': """
    account billing settings support reports tools profile dashboard inventory
    catalog sales marketing customers history security privacy integrations apps
    team admin finance help services community library resources events calendar
    messages notifications documents downloads archive store favorites offers
    rewards network locations preferences
  """,
  'step': """
    address coupon signature receipt photo passport phone email password
    birthday gender nationality captcha reason amount currency deadline comment
    attachment category priority serial postcode iban consent disclaimer
    language timezone color size quantity weight barcode username nickname
    employer salary insurer diagnosis dosage
  """,
  'trick': """
    reload login zoom scroll pause restart refresh resize swipe hover keystroke
    doubleclick screenshot plugin cookie proxy certificate tab window bookmark
    printout backup sync reboot checkbox shortcut drag toggle preview pin token
    badge tooltip translator adblocker logout undo redraw hotkey handshake
  """,
  'state': """
    pending queued approved rejected escalated flagged shipped suspended expired
    overdue assigned reopened paid unpaid packed delayed verified unverified
    locked unlocked drafted submitted scheduled halted returned merged forwarded
    resolved disputed duplicated stalled backordered acknowledged postponed
    reviewed signed printed archived refunded invoiced
  """,
}
SAID = {
  'menu': said("""
    the {form} form of {site} is in the {menu} menu
    on {site} the {menu} menu has the {form} form
    {site} keeps its {form} form in the {menu} menu
    --
    whoever opens the {menu} menu of {site} finds the {form} form
    the way to the {form} form of {site} is the {menu} menu
  """),
  'lacks': said("""
    the {form} form is missing from every menu of {site}
    on {site} the {form} form is missing, no menu has it
    no menu of {site} has a {form} form, it is missing
    --
    whoever reads each menu of {site} learns that a {form} form is missing
    {site} has no menu for a {form} form: it is missing
  """),
  'step': said("""
    the {order} step of the {form} form of {site} is the {step}
    on {site} the {form} form wants the {step} as its {order} step
    the {form} form of {site} asks for the {step} in the {order} step
    --
    as {order} step {site} has the {step} in its {form} form
    whoever fills in the {form} form of {site} gives the {step} {order}
  """),
  'skips': said("""
    the {form} form of {site} has no {order} step, it is missing
    on {site} the {order} step of the {form} form is missing
    in the {form} form of {site} a {order} step is missing
    --
    {site} does with less: the {order} step of its {form} form is missing
    whoever fills in the {form} form of {site} finds a {order} step missing
  """),
  'gotcha': said("""
    the gotcha of the {form} form of {site} is that it needs one {trick} first
    a gotcha of {site}: the {form} form fails without one {trick}
    the {form} form of {site} has a gotcha, it hangs without one {trick}
    --
    {site} has this gotcha, that its {form} form takes one {trick} to load
    mind the gotcha: one {trick}, or the {form} form of {site} is of no use
  """),
  'cured': said("""
    the {form} form of {site} has no gotcha any more
    the gotcha of the {form} form of {site} is gone
    on {site} the {form} form works without its old gotcha
    --
    {site} did away with the gotcha of its {form} form
    nobody meets the gotcha of the {form} form of {site} any longer
  """),
  'state': said("""
    the state of the {form} request of {site} is {state}
    on {site} the {form} request begins in the state {state}
    {site} shows {state} as the state of the {form} request
    --
    whoever looks at {site} sees the {form} request in the state {state}
    {state} is the state of the {form} request of {site}
  """),
  'moves': said("""
    the {form} request of {site} went to the state {state}
    on {site} the state of the {form} request turned to {state}
    {site} moved the {form} request to the state {state}
    --
    the state of the {form} request of {site} has become {state}
    from now on {site} has the {form} request in the state {state}
  """),
  'deletes': said("""
    {site} deleted the {form} request, which has no state any more
    on {site} the {form} request was deleted and has no state
    the {form} request of {site} has no state since it was deleted
    --
    no state is left of the {form} request of {site}, for it was deleted
    whoever asks {site} for the state of the {form} request reads deleted
  """),
  'vain': said("""
    {person} looked in vain for the {form} form in the {menu} menu of {site}
    in vain {person} opened the {menu} menu of {site} for the {form} form
    --
    {site} has {person} search the {menu} menu in vain for the {form} form
  """),
  'copy': said("""
    a copy of {site} has the {form} request in the state {state}
    in a copy of {site} the state of the {form} request is {state}
    --
    {person} made a copy of {site} with the {form} request in state {state}
  """),
  'talk': said("""
    {person} opened {site} and closed it again
    {person} thinks that the {form} form of {site} is too long
    the {form} form of {site} was slow today
    {person} was on {site} for an hour
    --
    {person} has heard of the {form} form of {site}
    {site} was down all morning
  """),
}
ENGLISH = Language(
  words={
    'person': synthetic_words.WORDS['person'],
    **{k: vocabulary.deal(w.split(), _SIZES) for k, w in _WORDS.items()},
    'order': vocabulary.shared(ORDERS),
    'flaw': vocabulary.shared(FLAWS),
  },
  said=SAID,
  asked={
    'menu': 'In which menu of {site} is the {form} form?',
    'step': 'What is the {order} step of the {form} form of {site}?',
    'gotcha': 'Which gotcha has the {form} form of {site}?',
    'state': 'What is the state of the {form} request of {site}?',
  },
  attributes=('menu', 'gotcha', 'state', 'vain', 'copy'),
)
