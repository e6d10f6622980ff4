"""The most frequent function words of languages that the rules know: running text holds them, lists and menus do not.

English is Gopher's own list (Rae et al. 2021, appendix A.1.1). The others are ours: words that nearly every page of
running text in that language has, written as they stand inside a sentence. A language that is not here has no
stop-word rule.
"""

from functools import cache

STOP_WORDS = {
    "en": "the be to of and that have with",
    "ar": "في من على إلى أن عن التي الذي هذا هذه ما لا مع كان",
    "bg": "на и в за да се от не са че по това като",
    "bn": "এই ও এবং করে থেকে হয় না করা জন্য একটি তার যে",
    "ca": "de la i el que a en les els per un una amb és",
    "cs": "a se na je v že to s z do o i jako pro",
    "da": "og i at er det en til på som af for med ikke den",
    "de": "der die und in das von zu mit den ist nicht ein auf für",
    "el": "και το της του η να την με για από που οι είναι στο",
    "es": "de la que el en y a los se del un por con una",
    "et": "ja on ei et see oli kui ka oma mis ning aga",
    "fa": "در و به از که این را با است برای آن یک های",
    "fi": "ja on ei se että oli hän kun mutta myös ovat kuin tai joka",
    "fr": "de la le et les des en un du une que est pour dans",
    "he": "של את על לא זה עם הוא כי גם או היא כל",
    "hi": "के में की है और से का को पर ने कि यह",
    "hr": "i u je se na da su za od koji s kao to",
    "hu": "a az és hogy nem egy is volt van csak meg de ez mint",
    "id": "yang dan di dengan untuk dari ini dalam pada itu tidak ke akan",
    "it": "di e che la il un a per in è non una con del",
    "ja": "の に は を が と で た も な れ し て",
    "ko": "이 그 수 것 및 등 있는 있다 한 하는 더 대한 또는",
    "lt": "ir yra kad į su iš tai bet kaip apie buvo ar dėl",
    "lv": "un ir ka ar no uz par kas lai bet arī vai pēc",
    "ms": "yang dan di dengan untuk dari ini dalam pada itu tidak ke oleh",
    "nl": "de van het een en in is dat op te met voor niet zijn",
    "no": "og i det er på en til som av for med at har ikke",
    "pl": "w i na się z nie do to że jest o jak od po",
    "pt": "de a o que e do da em um para com não uma os",
    "ro": "de și în la cu a pe că nu din pentru este un care",
    "ru": "и в не на что с по как это из к от для у",
    "sk": "a na sa je v že to s z do o ako pre aj",
    "sl": "in je v na da se za so ki z pa od tudi kot",
    "sr": "и у је да се на за су од који не са као",
    "sv": "och i att det som en på är av för med den till inte",
    "ta": "ஒரு என்று மற்றும் இந்த அந்த என இது ஆகும் அவர் தான்",
    "th": "ที่ และ ของ ใน เป็น มี ได้ ไม่ การ ให้ จะ กับ",
    "tr": "ve bir bu için ile da de çok olarak daha olan gibi ne",
    "uk": "і в на що не з та до як за це від для у",
    "vi": "và của là có được cho các một không trong với những người",
    "zh": "的 是 在 了 和 有 不 人 这 這 我 为 為",
}


@cache
def stop_words_of(language: str) -> frozenset[str]:
    """Return the stop words of a language (lid.176's code), empty where there is no list."""
    return frozenset(STOP_WORDS.get(language, "").split())
