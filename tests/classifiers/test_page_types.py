"""Page types: what the shipped model makes of typical pages, alone and among others."""

from classifiers.page_types.model import PAGE_TYPES, load_page_type_model, predict_page_types

THREAD = """Replacing the power supply
mike42 wrote: Joined: Jan 2019 Posts: 12
Hi all, my printer does not start any more. Has anyone replaced the power supply?
anna wrote: Posts: 340
Yes, last week. Quote: you need a 24 V one. Reply if you have questions.
mike42 wrote: thanks, that worked!"""
MANUAL = """Configuration
The function load_config(path) reads a YAML file and returns a dictionary. Parameters: path (str) - the file.
Raises ValueError if the file is not valid. Example:
config = load_config("settings.yaml")
print(config["name"])
See also: the API reference of dump_config. Changed in version 2.1: the default is None."""
STORY = """Minister resigns after vote
The minister resigned on Tuesday after parliament had voted against the new law, the government said in a statement.
"It was the right decision," she told reporters. The opposition had called for elections for weeks. Thousands of people
had protested in the capital on Sunday, according to the police. A successor will be named next week."""
GOODS = """Trail Pack 25 - Men's
$99.95 Add to cart. Free shipping on orders over $50. In stock. 4.6 out of 5 stars, 120 reviews.
Size: one size. Color: blue. SKU 227955. Weight 2 lbs. Material: recycled nylon. Warranty: one year. Returns within
30 days. Quantity 1. Add to wishlist."""


def test_typical_pages_are_told_and_a_page_alone_is_told_the_same():
    pages = {
        "forum": (THREAD, "https://forum.example.com/viewtopic.php?t=5550"),
        "documentation": (MANUAL, "https://docs.example.org/en/latest/api/config.html"),
        "article": (STORY, "https://paper.example/news/2024/05/minister-resigns"),
        "product": (GOODS, "https://shop.example.com/product/227955/trail-pack"),
    }
    model, (texts, urls) = load_page_type_model(), zip(*pages.values(), strict=True)
    found = predict_page_types(model, [*texts, "", " \n"], [*urls, urls[0], ""])
    assert found == [*pages, "", ""] and set(pages) < set(PAGE_TYPES)
    assert [predict_page_types(model, [text], [url])[0] for text, url in pages.values()] == found[: len(pages)]
    assert predict_page_types(model, [], []) == []
