"""Articles of Wikipedia as plain text: what a reader of the page sees."""

import pytest

from classifiers.wikipedia.articles import extract_prose
from classifiers.wikipedia.dumps import read_dump_articles
from tests.shared import shared_data


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("5&nbsp;km&mdash;past &quot;Old&nbsp;Town&quot; &amp; on, 4&deg;C", '5 km—past "Old Town" & on, 4°C'),
        ("H<sub>2</sub>O, 10<sup>6</sup> m<sup>2</sup>, un<i>believ</i>able", "H2O, 10^6 m^2, unbelievable"),
        ("At {{convert|1300|mi|km}}, {{Convert|5|to|7|ft|m}}, {{cvt|3|sqmi}}", "At 1300 mi, 5 to 7 ft, 3 sq mi"),
        ("{{lang|fr|bonjour}}, {{nowrap|5,000 people}}, {{abbr|Dr.|Doctor}}", "bonjour, 5,000 people, Dr."),
        ("'''Wien''' ({{IPA|viːn}}; {{lang-de|Wien}}) and Bern ({{IPAc-en|b|ɜː|n}}).", "Wien (Wien) and Bern."),
        ("Bern ({{IPA|x}}, {{audio|y}}; also [[Berne]]) lies", "Bern (also Berne) lies"),
        ("Rom ({{lang|it|Roma}}, {{IPA|x}}) lies", "Rom (Roma) lies"),
        ("is <math>E=mc^2</math>, <math display=block>f'' = \\frac{{a}}{b}</math>",
         "is $E=mc^2$, $$f'' = \\frac{{a}}{b}$$"),
        ("{{nihongo|League|リーグ|Rīgu}}, {{transl|ja|Tōkyō}}, {{ruby|漢字|かんじ}}", 
         "League (リーグ, Rīgu), Tōkyō, 漢字"),
        ("said: {{quote|A long road.}} and {{blockquote|text=Second.|author=X}}", "said:\nA long road.\nand\nSecond."),
        ("__NOTOC__ __TOC__ {{DEFAULTSORT:Town}} A church.", "A church."),
        ("{{frac|1|2}}, {{frac|3|1|2}}, {{val|1.2|e=3|u=km}}, {{chem|H|2|O}}", "1/2, 3 1/2, 1.2×10^3 km, H2O"),
        ("a{{snd}}b{{ndash}}c{{'}}s {{USS|Iowa}}, {{US$|5}}, {{circa|1500}}", "a – b–c's USS Iowa, US$5, c. 1500"),
        ("{|\n! A !! B\n|-\n| 1 || 2\n{|\n| in\n|}\n|}\nAfter {{!}} it.", "After | it."),
        ("<gallery>\nFile:A.jpg|A\n</gallery>\n[[File:X.jpg|thumb|A [[link]] {{a|b}}<ref>r</ref>]]\nAfter", "After"),
        ("[[Datei:a.jpg|mini]][[Category:X]][[fr:Ville]] [[2001: A Space Odyssey]], [[:Category:X|x]]",
         "2001: A Space Odyssey, x"),
        ("[[Paris]]ian [[river|rivers]] [[Mill (tool)|]] [http://a.b label] [http://a.b] http://c.d/e",
         "Parisian rivers Mill label http://c.d/e"),
        ('A.<ref>{{cite|t={{n|a}}}}</ref><ref name="q>r">z</ref> B.<ref name=x/> C.{{sfn|a}}{{cn}}', "A. B. C."),
        ("-{zh-hans:软件;zh-hant:軟體}- and -{X}-", "软件 and X"),
        ("Text <!-- hidden {{ --> stays {{unbalanced text. Next.\n== H ==\nMore]] }} here",
         "Text stays unbalanced text. Next.\nH\nMore here"),
        ("* one<br/>two\n:# three", "one\ntwo\nthree"),
        ("{{Infobox|a={{convert|1|km}}|b=[[x|y]]}}The town", "The town"),
        ("Use <nowiki>[[x]]</nowiki> and <code>a|b</code>", "Use [[x]] and a|b"),
    ],
)  # fmt: skip
def test_a_reader_sees(wikitext: str, text: str) -> None:
    assert extract_prose(wikitext) == text


def test_the_reported_articles_are_clean() -> None:
    texts = dict(read_dump_articles(shared_data("reports/wikipedia-articles/wiki.xml")))
    whole = "\n".join(map(extract_prose, texts.values()))
    for fault in ("&nbsp;", "&mdash;", "&quot;", "H 2 O", "(;", "( ", "At ,", "__", "File:"):
        assert fault not in whole
    for words in ("H2O", "$E=mc^2$", "bonjour", "5,000 people", "1300 mi", "The long road of the miller"):
        assert words in whole
