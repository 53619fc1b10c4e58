"""Words and templates of the traps world in Chinese, written without spaces."""

from mem_alpha_jax.data.worlds.language import Language, said
from mem_alpha_jax.data.worlds.traps_words import ATTRIBUTES, dealt

_DEALT = {
  'person': """
    安娜 玛丽 约翰 大卫 保罗 彼得 露西 艾玛 托马斯 马丁 莉莉 苏珊 罗伯特 亨利
    卡尔 杰克 海伦 琳达 乔治 弗兰克 丹尼尔 麦克 索菲亚 维克多 奥斯卡 朱莉 瑞秋
    西蒙 雷蒙德 埃里克 黛安娜 凯文 诺拉 菲利普 格蕾丝 塞缪尔
  """,
  'food': """
    花生 牛奶 鸡蛋 虾仁 螃蟹 芒果 草莓 桃子 苹果 香蕉 菠萝 芝麻 核桃 杏仁 腰果
    大豆 小麦 洋葱 大蒜 番茄 蘑菇 蜂蜜 奶酪 巧克力
  """,
  'drug': """
    阿司匹林 布洛芬 青霉素 红霉素 胰岛素 可待因 吗啡 华法林 肝素 地高辛
    奥美拉唑 氯雷他定 泼尼松 可的松 沙丁胺醇 舍曲林 氟西汀 地西泮 二甲双胍
    头孢氨苄 利血平 硝苯地平 阿莫西林 扑热息痛
  """,
  'illness': """
    哮喘 湿疹 偏头痛 糖尿病 痛风 贫血 关节炎 支气管炎 白内障 结肠炎 膀胱炎
    皮炎 肺气肿 癫痫 胆结石 胃炎 青光眼 肝炎 疝气 高血压 流感 失眠 疟疾 麻疹
  """,
  'city': """
    北京 上海 广州 深圳 杭州 南京 成都 武汉 西安 重庆 天津 苏州 长沙 青岛 大连
    厦门 昆明 哈尔滨 沈阳 济南 郑州 合肥 南昌 贵阳
  """,
}
_MONTHS = """
  一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 十一月 十二月
"""
_RELATIONS = '姐姐 妹妹 哥哥 弟弟 妈妈 爸爸 叔叔 邻居'

CHINESE = Language(
  words=dealt(_DEALT, _MONTHS, _RELATIONS),
  said={
    'allergic': said("""
      {person}对{food}过敏
      检查显示{person}对{food}过敏
      让{person}过敏的是{food}
      原来{person}对{food}过敏
      --
      {person}对{food}严重过敏
      看来{person}只对{food}过敏
    """),
    'relative allergic': said("""
      {person}的{relation}对{food}过敏
      检查显示{person}的{relation}对{food}过敏
      {person}说{relation}对{food}过敏
      让{person}的{relation}过敏的是{food}
      --
      {person}的{relation}对{food}严重过敏
      看来{person}的{relation}只对{food}过敏
    """),
    'takes': said("""
      {person}现在服用{drug}
      {person}每天早上服用{drug}
      {person}服用的是{drug}
      从这周起{person}服用{drug}
      --
      {person}每天两次服用{drug}
      {person}就着水服用{drug}
    """),
    'relative takes': said("""
      {person}的{relation}服用{drug}
      {person}的{relation}现在服用{drug}
      {person}说{relation}服用{drug}
      每天早上{person}的{relation}服用{drug}
      --
      {person}的{relation}每天两次服用{drug}
      {person}有个{relation}服用{drug}
    """),
    'plans': said("""
      {person}打算试试{drug}
      {person}打算试的是{drug}
      下周{person}打算开始用{drug}
      {person}打算换成{drug}
      --
      假期后{person}打算用{drug}
      {person}早就打算用{drug}
    """),
    'stopped': said("""
      {person}停用了{drug}
      因为皮疹{person}停用了{drug}
      {person}停用的是{drug}
      昨晚{person}停用了{drug}
      --
      {person}刚刚停用{drug}
      {person}不舒服，停用{drug}
    """),
    'doctor': said("""
      {person}的医生是{person2}
      {person}请{person2}做医生
      {person}现在的医生是{person2}
      {person}换了医生，是{person2}
      --
      {person}选的医生是{person2}
      {person}信任的医生是{person2}
    """),
    'clinic': said("""
      {person}的诊所在{city}
      {person}在{city}开诊所
      {person}的诊所就在{city}
      {person}把诊所搬到{city}
      --
      {person}在{city}有了诊所
      要去{person}的诊所就得去{city}
    """),
    'found': said("""
      {month}{person}确诊{illness}
      {person}在{month}确诊{illness}
      {person}是{month}确诊{illness}的
      --
      {person}到{month}才确诊{illness}
      据说{month}{person}确诊{illness}
    """),
    'denied': said("""
      {person}对{food}不过敏
      没人说{person}对{food}过敏
      {person}问谁对{food}过敏
      --
      {person}从来不对{food}过敏
      说{person}对{food}过敏是谎话
    """),
    'refused': said("""
      {person}从不服用{drug}
      没人说{person}服用{drug}
      {person}读到了{drug}
      --
      说{person}服用{drug}是谎话
      {person}不会碰{drug}
    """),
    'talk': said("""
      很多人对{food}过敏
      据说{drug}对{illness}有用
      新闻说到{city}的一家诊所
      {illness}在{month}很常见
      今天天气很好
      候诊室坐满了人
      --
      孩子常常对{food}过敏
      买{drug}不用处方
      公交车又晚点了
    """),
  },
  asked={
    'allergic': '{person}对什么过敏？',
    'relative allergic': '{person}的{relation}对什么过敏？',
    'takes': '{person}服用的是哪种药？',
    'relative takes': '{person}的{relation}服用的是哪种药？',
    'plans': '{person}打算试的是哪种药？',
    'stopped': '{person}停用的是哪种药？',
    'doctor': '{person}的医生是谁？',
    'clinic': '{person}的诊所在哪里？',
    'found': '{person}是什么时候确诊{illness}的？',
    'choice': '{drug}、{drug2}和{drug3}中{person}服用的是哪种？',
    'infer': '会过敏的{person}要避开{food}吗？',
    'hops': '{person}的医生的诊所在哪里？',
  },
  attributes=ATTRIBUTES,
  cues={
    'allergic': '过敏',
    'takes': '服用',
    'plans': '打算',
    'stopped': '停用',
    'doctor': '医生',
    'clinic': '诊所',
    'found': '确诊',
  },
  stop='。',
  gap='',
  spoken=('要', '不要'),
)
