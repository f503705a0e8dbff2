"""Which pictures of a page the spider asks for."""

from scrapy.http import HtmlResponse

from integrations.picture_spider import pictures_of

PAGE = b"""
<a href="/full/a.JPG?x=1"><img src="/thumb/a.jpg"></a> <a href="/about.html">about</a>
<picture><source srcset="b-480.webp 480w, b-1600.webp 1600w, b-800.webp 800w"><img src="b.jpg"></picture>
<img srcset="c.jpg, c@2x.jpg 2x" src="c.jpg"> <img data-src="lazy.png" src="data:image/gif;base64,R0lGOD">
<img src="b.jpg"> <img src=""> <img srcset="d.jpg , , broken.jpg zw">
"""


def test_linked_ones_come_first_then_the_largest_then_what_is_shown():
    response = HtmlResponse("http://example.org/page/", body=PAGE, encoding="utf-8")
    assert pictures_of(response) == [
        "http://example.org/full/a.JPG?x=1",
        "http://example.org/page/b-1600.webp",
        "http://example.org/page/c@2x.jpg",
        "http://example.org/page/d.jpg",
        "http://example.org/thumb/a.jpg",
        "http://example.org/page/b.jpg",
        "http://example.org/page/c.jpg",
        "http://example.org/page/lazy.png",
    ]
