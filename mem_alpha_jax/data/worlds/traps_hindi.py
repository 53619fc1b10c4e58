"""Words and templates of the traps world in Hindi.

Relatives are women, so that what agrees with them has one form.
"""

from mem_alpha_jax.data.worlds.language import Language, said
from mem_alpha_jax.data.worlds.traps_words import ATTRIBUTES, dealt

_DEALT = {
  'person': """
    अमित राहुल सुनील विजय अनिल राजेश मनोज संजय रवि दीपक अजय नितिन विकास मोहन
    गौरव कपिल अर्जुन करण रोहित सचिन महेश सुरेश गणेश हरीश नरेश दिनेश प्रकाश
    विनोद अशोक मुकेश पंकज तरुण वरुण यश निखिल समीर
  """,
  'food': """
    मूंगफली दूध अंडे मछली झींगा बादाम काजू अखरोट तिल गेहूं सोया आम केला सेब
    अंगूर टमाटर प्याज लहसुन शहद पनीर मशरूम बैंगन पपीता चॉकलेट
  """,
  'drug': """
    एस्पिरिन पेनिसिलिन कोडीन मॉर्फिन वारफरिन हेपरिन डिगॉक्सिन इंसुलिन
    मेटफॉर्मिन पैरासिटामोल आइबुप्रोफेन ओमेप्राजोल लोराटाडिन कॉर्टिसोन
    साल्बुटामोल डायजेपाम लिथियम एटेनोलोल रैमिप्रिल लोसार्टन नैप्रोक्सेन
    सर्ट्रालिन ट्रामाडोल क्लोपिडोग्रेल
  """,
  'illness': """
    दमा एक्जिमा माइग्रेन मधुमेह गठिया एनीमिया मोतियाबिंद मिर्गी पीलिया मलेरिया
    खसरा निमोनिया अनिद्रा हर्निया टाइफाइड हैजा सोरायसिस साइनस अल्सर डेंगू चेचक
    बवासीर लकवा पथरी
  """,
  'city': """
    दिल्ली मुंबई कोलकाता चेन्नई पुणे जयपुर लखनऊ कानपुर नागपुर इंदौर भोपाल पटना
    सूरत आगरा वाराणसी अमृतसर शिमला देहरादून रांची रायपुर मैसूर कोच्चि गोवा
    उदयपुर
  """,
}
_MONTHS = """
  जनवरी फरवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर
"""
_RELATIONS = 'बहन माँ चाची दादी नानी मौसी बेटी पत्नी'

HINDI = Language(
  words=dealt(_DEALT, _MONTHS, _RELATIONS),
  said={
    'allergic': said("""
      {person} को {food} से एलर्जी है
      जाँच के अनुसार {person} को {food} से एलर्जी है
      {person} को जिससे एलर्जी है वह {food} है
      पता चला कि {person} को {food} से एलर्जी है
      --
      {person} को {food} से गंभीर एलर्जी है
      लगता है {person} को केवल {food} से एलर्जी है
    """),
    'relative allergic': said("""
      {person} की {relation} को {food} से एलर्जी है
      जाँच के अनुसार {person} की {relation} को {food} से एलर्जी है
      {person} की {relation} को जिससे एलर्जी है वह {food} है
      पता चला कि {person} की {relation} को {food} से एलर्जी है
      --
      {person} की {relation} को {food} से गंभीर एलर्जी है
      लगता है {person} की {relation} को केवल {food} से एलर्जी है
    """),
    'takes': said("""
      {person} की मौजूदा दवा {drug} है
      इस हफ्ते से {person} की मौजूदा दवा {drug} है
      {person} के लिए मौजूदा दवा {drug} है
      हर सुबह {person} की मौजूदा दवा {drug} है
      --
      अब {person} की मौजूदा दवा दिन में दो बार {drug} है
      {person} के पास मौजूदा दवा {drug} है
    """),
    'relative takes': said("""
      {person} की {relation} की मौजूदा दवा {drug} है
      {person} की {relation} के लिए मौजूदा दवा {drug} है
      इस हफ्ते से {person} की {relation} की मौजूदा दवा {drug} है
      हर सुबह {person} की {relation} की मौजूदा दवा {drug} है
      --
      अब {person} की {relation} की मौजूदा दवा दिन में दो बार {drug} है
      {person} की {relation} के पास मौजूदा दवा {drug} है
    """),
    'plans': said("""
      {person} की अगली दवा {drug} होगी
      {person} के लिए अगली दवा {drug} होगी
      अगले हफ्ते {person} की अगली दवा {drug} होगी
      {person} चाहते हैं कि अगली दवा {drug} हो
      --
      छुट्टी के बाद {person} की अगली दवा {drug} होगी
      {person} सोचते हैं कि अगली दवा {drug} होगी
    """),
    'stopped': said("""
      {person} की पिछली दवा {drug} थी
      {person} के लिए पिछली दवा {drug} थी
      दाने निकलने पर {person} की पिछली दवा {drug} छूटी
      कल रात {person} की पिछली दवा {drug} छूटी
      --
      अभी {person} की पिछली दवा {drug} बंद हुई
      तबीयत बिगड़ने पर {person} की पिछली दवा {drug} बंद हुई
    """),
    'doctor': said("""
      {person} के डॉक्टर {person2} हैं
      अब {person} के डॉक्टर {person2} हैं
      {person} के नए डॉक्टर {person2} हैं
      {person} को डॉक्टर {person2} देखते हैं
      --
      {person} के लिए डॉक्टर {person2} चुने गए
      {person} का भरोसा डॉक्टर {person2} पर है
    """),
    'clinic': said("""
      {person} का क्लिनिक {city} में है
      {person} ने क्लिनिक {city} में खोला
      अब {person} का क्लिनिक {city} में है
      {person} अपना क्लिनिक {city} ले गए
      --
      {person} का नया क्लिनिक {city} में बना
      {person} के क्लिनिक के लिए {city} जाना होगा
    """),
    'found': said("""
      {month} में {person} को {illness} का निदान हुआ
      {person} को {month} में {illness} का निदान हुआ
      {person} को {illness} का निदान {month} में हुआ
      --
      {month} के अंत में {person} को {illness} का निदान हुआ
      {person} का निदान {month} में {illness} बताया गया
    """),
    'denied': said("""
      {person} को {food} से एलर्जी नहीं है
      कोई नहीं कहता कि {person} को {food} से एलर्जी है
      {person} ने पूछा कि किसे {food} से एलर्जी है
      --
      {person} को कभी {food} से एलर्जी नहीं थी
      यह झूठ है कि {person} को {food} से एलर्जी है
    """),
    'refused': said("""
      {person} की मौजूदा दवा {drug} नहीं है
      कोई नहीं कहता कि {person} की मौजूदा दवा {drug} है
      {person} ने {drug} के बारे में पढ़ा
      --
      यह झूठ है कि {person} की मौजूदा दवा {drug} है
      {person} को {drug} पसंद नहीं
    """),
    'talk': said("""
      बहुत लोगों को {food} से एलर्जी है
      कहते हैं {drug} से {illness} में लाभ होता है
      खबरों में {city} के एक क्लिनिक की बात थी
      {month} में {illness} आम है
      आज मौसम सुहाना है
      प्रतीक्षा कक्ष भरा हुआ था
      --
      बच्चों को {food} से एलर्जी होती है
      {drug} बिना पर्ची के मिलती है
      बस फिर देर से आई
    """),
  },
  asked={
    'allergic': '{person} को किससे एलर्जी है?',
    'relative allergic': '{person} की {relation} को किससे एलर्जी है?',
    'takes': '{person} की मौजूदा दवा क्या है?',
    'relative takes': '{person} की {relation} की मौजूदा दवा क्या है?',
    'plans': '{person} की अगली दवा क्या है?',
    'stopped': '{person} की पिछली दवा क्या थी?',
    'doctor': '{person} के डॉक्टर कौन हैं?',
    'clinic': '{person} का क्लिनिक कहाँ है?',
    'found': '{person} को {illness} का निदान कब हुआ?',
    'choice': '{drug}, {drug2} और {drug3} में {person} की मौजूदा दवा क्या है?',
    'infer': 'क्या एलर्जी के कारण {person} को {food} से बचना है?',
    'hops': '{person} के डॉक्टर का क्लिनिक कहाँ है?',
  },
  attributes=ATTRIBUTES,
  cues={
    'allergic': 'एलर्जी',
    'takes': 'मौजूदा',
    'plans': 'अगली',
    'stopped': 'पिछली',
    'doctor': 'डॉक्टर',
    'clinic': 'क्लिनिक',
    'found': 'निदान',
  },
  stop='।',
  spoken=('हाँ', 'नहीं'),
)
