"""Words and templates of the traps world in Arabic.

Sentences are nominal, so that they suit names of either gender, and no particle
is written together with a word of the world.
"""

from mem_alpha_jax.data.worlds.language import Language, said
from mem_alpha_jax.data.worlds.traps_words import ATTRIBUTES, dealt

_DEALT = {
  'person': """
    سامي ليلى كريم هدى عمر سلمى يوسف مريم خالد نورا طارق رنا ياسر دينا حسن
    سعاد ماجد هالة فريد ريم وليد منى زياد لمى رامي سمر عادل غادة نبيل رشا باسم
    عبير أنور شيماء فادي جمانة
  """,
  'food': """
    الفول البيض الحليب السمك الجوز اللوز السمسم القمح التفاح الموز المانجو
    الفراولة الخوخ الطماطم البصل الثوم العسل الجبن العدس الحمص التمر العنب
    الفستق الباذنجان
  """,
  'drug': """
    أسبرين بنسلين كودين مورفين وارفارين هيبارين ديجوكسين أنسولين ميتفورمين
    أموكسيسيلين إيبوبروفين باراسيتامول أوميبرازول لوراتادين كورتيزون
    سالبوتامول ديازيبام ليثيوم أتينولول راميبريل لوسارتان فوروسيميد نابروكسين
    سيرترالين
  """,
  'illness': """
    الربو الإكزيما الشقيقة السكري النقرس الأنيميا التهاب الصرع الأرق الحصبة
    الملاريا الإنفلونزا السعال الصدفية الفتق الزكام الدوار اليرقان الجذام
    الكوليرا الروماتيزم القرحة الكساح النكاف
  """,
  'city': """
    بغداد دمشق بيروت عمان القاهرة تونس الرباط الجزائر طرابلس الخرطوم صنعاء
    الرياض جدة الدوحة المنامة الكويت دبي مسقط حلب البصرة الموصل فاس مراكش
    وهران
  """,
}
_MONTHS = """
  يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر
"""
_RELATIONS = 'أخت أخ أم والد عمة خال جدة جار'

ARABIC = Language(
  words=dealt(_DEALT, _MONTHS, _RELATIONS),
  said={
    'allergic': said("""
      عند {person} حساسية من {food}
      تبين أن عند {person} حساسية من {food}
      حساسية {person} هي من {food}
      في الفحص ظهرت عند {person} حساسية من {food}
      --
      عند {person} حساسية شديدة من {food}
      يبدو أن حساسية {person} هي من {food} فقط
    """),
    'relative allergic': said("""
      عند {relation} {person} حساسية من {food}
      حساسية {relation} {person} هي من {food}
      تبين أن عند {relation} {person} حساسية من {food}
      في الفحص ظهرت عند {relation} {person} حساسية من {food}
      --
      عند {relation} {person} حساسية شديدة من {food}
      يبدو أن حساسية {relation} {person} هي من {food} فقط
    """),
    'takes': said("""
      الدواء الحالي عند {person} هو {drug}
      عند {person} الدواء الحالي هو {drug}
      منذ هذا الأسبوع عند {person} الدواء الحالي {drug}
      دواء {person} الحالي هو {drug}
      --
      أصبح الدواء الحالي عند {person} هو {drug}
      كل صباح عند {person} الدواء الحالي {drug}
    """),
    'relative takes': said("""
      الدواء الحالي عند {relation} {person} هو {drug}
      عند {relation} {person} الدواء الحالي هو {drug}
      دواء {relation} {person} الحالي هو {drug}
      يقال إن الدواء الحالي عند {relation} {person} هو {drug}
      --
      أصبح الدواء الحالي عند {relation} {person} هو {drug}
      كل صباح عند {relation} {person} الدواء الحالي {drug}
    """),
    'plans': said("""
      الدواء القادم عند {person} هو {drug}
      عند {person} سيكون الدواء القادم {drug}
      في الأسبوع القادم دواء {person} هو {drug}
      دواء {person} القادم هو {drug}
      --
      بعد العطلة يكون الدواء القادم عند {person} هو {drug}
      في خطة {person} الدواء القادم {drug}
    """),
    'stopped': said("""
      الدواء السابق عند {person} كان {drug}
      دواء {person} السابق هو {drug}
      بعد طفح صار الدواء السابق عند {person} هو {drug}
      انتهى عند {person} الدواء السابق وهو {drug}
      --
      لم يعد عند {person} الدواء السابق {drug}
      منذ أمس الدواء السابق عند {person} هو {drug}
    """),
    'doctor': said("""
      طبيب {person} هو {person2}
      عند {person} طبيب اسمه {person2}
      صار طبيب {person} هو {person2}
      طبيب {person} الجديد هو {person2}
      --
      اختير عند {person} طبيب هو {person2}
      يقال إن طبيب {person} هو {person2}
    """),
    'clinic': said("""
      عيادة {person} في {city}
      عند {person} عيادة في {city}
      انتقلت عيادة {person} إلى {city}
      عيادة {person} موجودة في {city}
      --
      افتتحت عيادة {person} في {city}
      من يقصد عيادة {person} يذهب إلى {city}
    """),
    'found': said("""
      في {month} كان تشخيص {person} هو {illness}
      تشخيص {person} في {month} هو {illness}
      جاء تشخيص {person} في {month} وهو {illness}
      --
      منذ {month} تشخيص {person} هو {illness}
      صدر في {month} تشخيص {person} وهو {illness}
    """),
    'denied': said("""
      ليست عند {person} حساسية من {food}
      لا أحد يقول إن عند {person} حساسية من {food}
      سئل {person} عن حساسية من {food}
      --
      لم تكن عند {person} حساسية من {food}
      من الكذب أن عند {person} حساسية من {food}
    """),
    'refused': said("""
      ليس {drug} الدواء الحالي عند {person}
      لا أحد يقول إن الدواء الحالي عند {person} هو {drug}
      سمع {person} عن {drug}
      --
      من الكذب أن الدواء الحالي عند {person} هو {drug}
      لا يحب {person} دواء {drug}
    """),
    'talk': said("""
      كثير من الناس عندهم حساسية من {food}
      يقال إن {drug} مفيد ضد {illness}
      ذكرت الأخبار عيادة في {city}
      ينتشر {illness} في {month}
      الجو جميل اليوم
      كانت غرفة الانتظار مليئة
      --
      الأطفال عندهم حساسية من {food}
      يباع {drug} بلا وصفة
      تأخرت الحافلة من جديد
    """),
  },
  asked={
    'allergic': 'مم حساسية {person}؟',
    'relative allergic': 'مم حساسية {relation} {person}؟',
    'takes': 'ما الدواء الحالي عند {person}؟',
    'relative takes': 'ما الدواء الحالي عند {relation} {person}؟',
    'plans': 'ما الدواء القادم عند {person}؟',
    'stopped': 'ما الدواء السابق عند {person}؟',
    'doctor': 'من طبيب {person}؟',
    'clinic': 'أين عيادة {person}؟',
    'found': 'متى كان تشخيص {person} هو {illness}؟',
    'choice': 'أي {drug} أو {drug2} أو {drug3} هو الدواء الحالي عند {person}؟',
    'infer': 'هل تمنع حساسية {person} من أكل {food}؟',
    'hops': 'أين عيادة من هو طبيب {person}؟',
  },
  attributes=ATTRIBUTES,
  cues={
    'allergic': 'حساسية',
    'takes': 'الحالي',
    'plans': 'القادم',
    'stopped': 'السابق',
    'doctor': 'طبيب',
    'clinic': 'عيادة',
    'found': 'تشخيص',
  },
  spoken=('نعم', 'لا'),
)
