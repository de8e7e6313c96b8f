"""What phrases mean, seen from Monday, 8 May 2023; and what must never be taken for a time."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memory_service.analysis.times import LONGEST_TEXT, MOST_FOUND, Granularity, find_times
from memory_service.analysis.times.english import ENGLISH as ENGLISH_GRAMMAR
from memory_service.analysis.times.european import GRAMMARS
from memory_service.analysis.times.reading import DIGIT, Reading, scan
from memory_service.analysis.times.wide import WIDE

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)

# text, phrase, first day, day after the last, granularity; "-" is open.
ENGLISH = [
    # absolute
    ("It was on 8 May 2023.", "8 May 2023", "2023-05-08", "2023-05-09", "day"),
    ("It was on May 8th, 2023.", "May 8th, 2023", "2023-05-08", "2023-05-09", "day"),
    ("Monday, the 8th of May 2023", "Monday, the 8th of May 2023", "2023-05-08", "2023-05-09", "day"),
    ("Dec. 25, 2022 was cold", "Dec. 25, 2022", "2022-12-25", "2022-12-26", "day"),
    ("9 November, 2022", "9 November, 2022", "2022-11-09", "2022-11-10", "day"),
    ("on 2023-05-08 it was", "2023-05-08", "2023-05-08", "2023-05-09", "day"),
    ("at 2023-05-08T10:00:00Z", "2023-05-08T10:00:00Z", "2023-05-08", "2023-05-09", "day"),
    ("on 29.12.2023", "29.12.2023", "2023-12-29", "2023-12-30", "day"),
    ("on 5/8/2023", "5/8/2023", "2023-05-08", "2023-05-09", "day"),
    ("on 25/8/2023", "25/8/2023", "2023-08-25", "2023-08-26", "day"),
    ("We met in May 2023.", "May 2023", "2023-05-01", "2023-06-01", "month"),
    ("in the summer of 2022 we met", "the summer of 2022", "2022-06-01", "2022-09-01", "season"),
    ("summer 2022", "summer 2022", "2022-06-01", "2022-09-01", "season"),
    ("winter 2021-22 was mild", "winter 2021-22", "2021-12-01", "2022-03-01", "season"),
    ("I moved in 2019.", "2019", "2019-01-01", "2020-01-01", "year"),
    ("the 2012 Olympics", "2012", "2012-01-01", "2013-01-01", "year"),
    ("music of the 90s", "90s", "1990-01-01", "2000-01-01", "decade"),
    ("in the 1980s", "1980s", "1980-01-01", "1990-01-01", "decade"),
    ("from the 1500s", "1500s", "1500-01-01", "1600-01-01", "range"),
    ("Q3 2022 was hard", "Q3 2022", "2022-07-01", "2022-10-01", "season"),
    # without a year: by the tense of the clause, else the nearest
    ("I ran a marathon in December.", "December", "2022-12-01", "2023-01-01", "month"),
    ("I will run a marathon in December.", "December", "2023-12-01", "2024-01-01", "month"),
    ("We went there in May.", "May", "2023-05-01", "2023-06-01", "month"),
    ("The wedding in June", "June", "2023-06-01", "2023-07-01", "month"),
    ("Her birthday was on August 3", "August 3", "2022-08-03", "2022-08-04", "day"),
    ("in August last year", "August last year", "2022-08-01", "2022-09-01", "month"),
    ("last April was warm", "last April", "2023-04-01", "2023-05-01", "month"),
    ("February 29 was odd", "February 29", "2020-02-29", "2020-03-01", "day"),
    ("See you on the 20th!", "the 20th", "2023-05-20", "2023-05-21", "day"),
    ("I met them on the 15th after my trip", "the 15th", "2023-04-15", "2023-04-16", "day"),
    # days and weekdays
    ("I went there yesterday.", "yesterday", "2023-05-07", "2023-05-08", "day"),
    ("It rained last night.", "last night", "2023-05-07", "2023-05-08", "day"),
    ("Are you free tonight?", "tonight", "2023-05-08", "2023-05-09", "day"),
    ("See you tomorrow evening", "tomorrow evening", "2023-05-09", "2023-05-10", "day"),
    ("tomorrow's gonna be great", "tomorrow", "2023-05-09", "2023-05-10", "day"),
    ("the day before yesterday", "the day before yesterday", "2023-05-06", "2023-05-07", "day"),
    ("I saw her last Friday.", "last Friday", "2023-05-05", "2023-05-06", "day"),
    ("He called last Fri.", "last Fri", "2023-05-05", "2023-05-06", "day"),
    ("this past Sunday", "this past Sunday", "2023-05-07", "2023-05-08", "day"),
    ("We went out on Friday night.", "Friday night", "2023-05-05", "2023-05-06", "day"),
    ("I'll be there on Friday.", "Friday", "2023-05-12", "2023-05-13", "day"),
    ("this Friday we play", "this Friday", "2023-05-12", "2023-05-13", "day"),
    ("next Friday we play", "next Friday", "2023-05-19", "2023-05-20", "day"),
    ("Have a lovely Monday!", "Monday", "2023-05-08", "2023-05-09", "day"),
    ("Happy Friday!", "Friday", "2023-05-12", "2023-05-13", "day"),
    ("two Fridays ago", "two Fridays ago", "2023-04-28", "2023-04-29", "day"),
    # weeks, weekends, months, years
    ("last week was wild", "last week", "2023-05-01", "2023-05-08", "week"),
    ("the week before last", "the week before last", "2023-04-24", "2023-05-01", "week"),
    ("this week's been busy", "this week", "2023-05-08", "2023-05-15", "week"),
    ("next week", "next week", "2023-05-15", "2023-05-22", "week"),
    ("last weekend we hiked", "last weekend", "2023-05-06", "2023-05-08", "weekend"),
    ("this past weekend was fun", "this past weekend", "2023-05-06", "2023-05-08", "weekend"),
    ("Did you hike over the weekend?", "the weekend", "2023-05-06", "2023-05-08", "weekend"),
    ("any plans for this weekend?", "this weekend", "2023-05-13", "2023-05-15", "weekend"),
    ("next weekend we hike", "next weekend", "2023-05-20", "2023-05-22", "weekend"),
    ("two weekends ago", "two weekends ago", "2023-04-29", "2023-05-01", "weekend"),
    ("the first weekend of August 2023", "the first weekend of August 2023", "2023-08-05", "2023-08-07", "weekend"),
    ("last month", "last month", "2023-04-01", "2023-05-01", "month"),
    ("next month", "next month", "2023-06-01", "2023-07-01", "month"),
    ("last year", "last year", "2022-01-01", "2023-01-01", "year"),
    ("this year", "this year", "2023-01-01", "2024-01-01", "year"),
    ("last summer", "last summer", "2022-06-01", "2022-09-01", "season"),
    ("next winter", "next winter", "2023-12-01", "2024-03-01", "season"),
    # so many units away, as wide as the words are
    ("two days ago", "two days ago", "2023-05-06", "2023-05-07", "day"),
    ("a few days ago", "a few days ago", "2023-05-03", "2023-05-07", "range"),
    ("two weeks ago", "two weeks ago", "2023-04-21", "2023-04-28", "week"),
    ("a couple of weeks ago", "a couple of weeks ago", "2023-04-14", "2023-04-28", "range"),
    ("two or three weeks ago", "two or three weeks ago", "2023-04-14", "2023-04-28", "range"),
    ("three months ago", "three months ago", "2023-02-01", "2023-03-01", "month"),
    ("about 4 years ago", "about 4 years ago", "2019-01-01", "2020-01-01", "year"),
    ("a year and a half ago", "a year and a half ago", "2021-11-01", "2021-12-01", "month"),
    ("the other day", "the other day", "2023-04-28", "2023-05-08", "range"),
    ("We'll leave in two weeks", "in two weeks", "2023-05-19", "2023-05-26", "week"),
    ("in 3 days", "in 3 days", "2023-05-11", "2023-05-12", "day"),
    ("over the past two weeks", "the past two weeks", "2023-04-24", "2023-05-09", "range"),
    # parts
    ("in late May", "late May", "2023-05-21", "2023-06-01", "range"),
    ("early 2021", "early 2021", "2021-01-01", "2021-05-02", "range"),
    ("at the end of last month", "the end of last month", "2023-04-21", "2023-05-01", "range"),
    ("earlier this year", "earlier this year", "2023-01-01", "2023-05-09", "range"),
    # ranges, open ends
    ("between March and May 2023", "March and May 2023", "2023-03-01", "2023-06-01", "range"),
    ("from 3 to 5 June", "3 to 5 June", "2023-06-03", "2023-06-06", "range"),
    ("May 30 - June 2, 2022", "May 30 - June 2, 2022", "2022-05-30", "2022-06-03", "range"),
    ("June 3-5, 2022", "June 3-5, 2022", "2022-06-03", "2022-06-06", "range"),
    ("between 2010 and 2015", "2010 and 2015", "2010-01-01", "2016-01-01", "range"),
    ("2019-2021", "2019-2021", "2019-01-01", "2022-01-01", "range"),
    ("between 8 May 2023 and 9 June 2023", "between 8 May 2023 and 9 June 2023", "2023-05-08", "2023-06-10", "range"),
    ("from last Monday to yesterday", "from last Monday to yesterday", "2023-05-01", "2023-05-08", "range"),
    ("I have worked here since January.", "since January", "2023-01-01", "-", "month"),
    ("since 2015", "since 2015", "2015-01-01", "-", "year"),
    ("from 2012 onwards", "2012 onwards", "2012-01-01", "-", "year"),
    ("before 2022", "before 2022", "-", "2022-01-01", "year"),
    ("until May 2022", "until May 2022", "-", "2022-06-01", "month"),
    ("I'm away until Friday", "until Friday", "2023-05-08", "2023-05-13", "day"),
    ("after 8 May 2022", "after 8 May 2022", "2022-05-09", "-", "day"),
    # beside another date
    ("the week before 9 June 2023", "the week before 9 June 2023", "2023-06-02", "2023-06-09", "week"),
    ("two weeks before August 11, 2023", "two weeks before August 11, 2023", "2023-07-25", "2023-08-01", "week"),
    ("the Friday after 22 October 2023", "the Friday after 22 October 2023", "2023-10-27", "2023-10-28", "day"),
    ("the week of May 10", "the week of May 10", "2023-05-08", "2023-05-15", "week"),
    ("shortly before 7 Jan 2024", "shortly before 7 Jan 2024", "2023-12-31", "2024-01-07", "week"),
    # holidays
    ("We ate goose at Christmas.", "Christmas", "2022-12-25", "2022-12-26", "day"),
    ("any plans for New Year's Eve?", "New Year's Eve", "2023-12-31", "2024-01-01", "day"),
    ("Thanksgiving 2022", "Thanksgiving 2022", "2022-11-24", "2022-11-25", "day"),
    ("last Easter", "last Easter", "2023-04-09", "2023-04-10", "day"),
    ("It's Independence Day next", "Independence Day", "2023-07-04", "2023-07-05", "day"),
]  # fmt: skip

OTHER_LANGUAGES = [
    ("de", "Gestern war ich am See.", "Gestern", "2023-05-07", "2023-05-08"),
    ("de", "Heute Morgen regnete es.", "Heute Morgen", "2023-05-08", "2023-05-09"),
    ("de", "letzte Woche", "letzte Woche", "2023-05-01", "2023-05-08"),
    ("de", "Letzten Freitag war ich da.", "Letzten Freitag", "2023-05-05", "2023-05-06"),
    ("de", "vor zwei Wochen", "vor zwei Wochen", "2023-04-21", "2023-04-28"),
    ("de", "vor ein paar Tagen", "vor ein paar Tagen", "2023-05-03", "2023-05-07"),
    ("de", "am 3. Juni 2021", "3. Juni 2021", "2021-06-03", "2021-06-04"),
    ("de", "im Mai 2022", "Mai 2022", "2022-05-01", "2022-06-01"),
    ("de", "zwischen März und Mai 2023", "zwischen März und Mai 2023", "2023-03-01", "2023-06-01"),
    ("de", "vom 3. bis 5. Juni", "3. bis 5. Juni", "2023-06-03", "2023-06-06"),
    ("de", "seit Januar", "seit Januar", "2023-01-01", "-"),
    ("de", "vor 2022", "vor 2022", "-", "2022-01-01"),
    ("de", "letzten Sommer", "letzten Sommer", "2022-06-01", "2022-09-01"),
    ("fr", "Avant-hier il pleuvait.", "Avant-hier", "2023-05-06", "2023-05-07"),
    ("fr", "la semaine dernière", "semaine dernière", "2023-05-01", "2023-05-08"),
    ("fr", "vendredi dernier", "vendredi dernier", "2023-05-05", "2023-05-06"),
    ("fr", "il y a deux ans", "il y a deux ans", "2021-01-01", "2022-01-01"),
    ("fr", "le 3 juin 2021", "3 juin 2021", "2021-06-03", "2021-06-04"),
    ("fr", "l'été dernier", "été dernier", "2022-06-01", "2022-09-01"),
    ("fr", "entre mars et mai 2023", "entre mars et mai 2023", "2023-03-01", "2023-06-01"),
    ("fr", "depuis janvier", "depuis janvier", "2023-01-01", "-"),
    ("es", "Anteayer llovía.", "Anteayer", "2023-05-06", "2023-05-07"),
    ("es", "la semana pasada", "semana pasada", "2023-05-01", "2023-05-08"),
    ("es", "hace dos años", "hace dos años", "2021-01-01", "2022-01-01"),
    ("es", "el 3 de junio de 2021", "3 de junio de 2021", "2021-06-03", "2021-06-04"),
    ("es", "el año que viene", "año que viene", "2024-01-01", "2025-01-01"),
    ("es", "dentro de tres días", "dentro de tres días", "2023-05-11", "2023-05-12"),
    ("it", "L'altro ieri pioveva.", "L'altro ieri", "2023-05-06", "2023-05-07"),
    ("it", "venerdì scorso", "venerdì scorso", "2023-05-05", "2023-05-06"),
    ("it", "due anni fa", "due anni fa", "2021-01-01", "2022-01-01"),
    ("it", "prima del 2022", "prima del 2022", "-", "2022-01-01"),
    ("it", "dal 3 al 5 giugno", "3 al 5 giugno", "2023-06-03", "2023-06-06"),
    ("zh", "我昨天去了湖边", "昨天", "2023-05-07", "2023-05-08"),
    ("zh", "上周五我们见面了", "上周五", "2023-05-05", "2023-05-06"),
    ("zh", "2023年5月8日", "2023年5月8日", "2023-05-08", "2023-05-09"),
    ("zh", "两周前", "两周前", "2023-04-21", "2023-04-28"),
    ("zh", "去年夏天", "去年夏天", "2022-06-01", "2022-09-01"),
    ("zh", "从2021年到2022年", "从2021年到2022年", "2021-01-01", "2023-01-01"),
    ("ja", "昨日は湖に行きました", "昨日", "2023-05-07", "2023-05-08"),
    ("ja", "先週の金曜日に会いました", "先週の金曜日", "2023-05-05", "2023-05-06"),
    ("ja", "3か月前", "3か月前", "2023-02-01", "2023-03-01"),
    ("ja", "一昨日", "一昨日", "2023-05-06", "2023-05-07"),
    ("pt", "ontem, 2023-05-08", "2023-05-08", "2023-05-08", "2023-05-09"),
]

NO_TIMES = [
    # words that are also months, days or seasons
    "They may march on, and I may win.",
    "You may 1 day see it.",
    "April said hi to June and May.",
    "I met April Jones at the store.",
    "That was April's idea, said August.",
    "Jan and Dec are short names; mar the sun; we wed; he sat.",
    "We fall back and spring into action.",
    "I read the Sunday Times, and Ruby Tuesday played.",
    "I take the kids to Sunday school.",
    # habits, sayings and durations
    "It feels like just yesterday that I put this on.",
    "something to do for the last day of the year",
    "I swim every Friday and on Sundays.",
    "On weekends we hike; each Monday I rest.",
    "I love going there in the summer.",
    "We always have a Christmas tree.",
    "I lived there for three years; he is 5 years old.",
    "It took me two weeks to read it.",
    "I learned it in two weeks.",
    # moments of another story
    "two days after the wedding",
    "the day before my birthday",
    "the following week, the next day",
    "since I was five, since then",
    "When did they meet?",
    # numbers
    "It cost $2023, and 1999 euros before.",
    "There were 2023 people and 2015 films.",
    "Room 2023, flight 1984, page 1850, call 555-2023.",
    "I walked 2000 steps; about 2000 of them.",
    "v2.0.2023, 12:30, 3/4 cup, 24/7, 50/50, 1-2-3, 99.99.9999",
    "It was 2023-13-45.",
    "In my 20s I ran.",
    "q5 and q0",
    "",
    " \n\t",
]


def seen(text, reference=MONDAY, language=None):
    return [
        (
            found.phrase,
            str(found.starts.date()) if found.starts else "-",
            str(found.ends.date()) if found.ends else "-",
            found.granularity.value,
        )
        for found in find_times(text, reference, language=language)
    ]


@pytest.mark.parametrize(("text", "phrase", "start", "end", "granularity"), ENGLISH, ids=[row[0] for row in ENGLISH])
def test_english(text, phrase, start, end, granularity):
    assert seen(text, language="en") == [(phrase, start, end, granularity)]


@pytest.mark.parametrize(("language", "text", "phrase", "start", "end"), OTHER_LANGUAGES)
def test_other_languages(language, text, phrase, start, end):
    assert [found[:3] for found in seen(text, language=language)] == [(phrase, start, end)]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time(text):
    assert seen(text) == []


def test_the_language_is_told_by_the_text():
    assert seen("Ich war gestern mit meiner Schwester am See")[0][0] == "gestern"
    assert seen("昨日は湖に行きました")[0][0] == "昨日"
    assert seen("hier") == []


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("yesterday and tomorrow", ["2023-05-07", "2023-05-09"]),
        ("I saw him in May 2022; since then, in June 2022 and last week, nothing.", ["2022-05-01", "2022-06-01", "2023-05-01"]),
        ("I went on Friday, and I'll go again on Saturday.", ["2023-05-05", "2023-05-13"]),
    ],
)  # fmt: skip
def test_several_in_one_text(text, starts):
    assert [found[1] for found in seen(text)] == starts


def test_without_a_reference_only_what_needs_none_is_found():
    text = "yesterday, in May, last week, on 8 May 2023, in 2022, before 2020, two days ago, the 90s"
    found = find_times(text)
    assert [one.phrase for one in found] == ["8 May 2023", "2022", "before 2020", "90s"]
    assert all(one.ends.tzinfo is UTC for one in found)


def test_days_are_those_of_the_reference_s_zone():
    late = datetime(2023, 5, 8, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    (today,) = find_times("today", late)
    (same_moment,) = find_times("today", late.astimezone(UTC))
    assert today.starts == datetime(2023, 5, 8, tzinfo=late.tzinfo)
    assert same_moment.starts == datetime(2023, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "text", "expected"),
    [
        (date(2023, 5, 13), "last weekend", "2023-05-06"),  # said on a Saturday
        (date(2023, 5, 14), "this weekend", "2023-05-13"),
        (date(2023, 5, 14), "Have a great Sunday!", "2023-05-14"),
        (date(2024, 1, 10), "this winter", "2023-12-01"),
        (date(2024, 1, 10), "last December", "2023-12-01"),
        (date(2023, 3, 31), "a month ago", "2023-02-01"),
        (date(2023, 7, 1), "last May", "2023-05-01"),
        (date(2023, 12, 31), "next month", "2024-01-01"),
    ],
)
def test_other_references(day, text, expected):
    reference = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert [found[1] for found in seen(text, reference)] == [expected]


PIECES = (
    "last next this the of in on since until before after between from to and a few two 3 5th May march June 2023 2022 "
    "99 '98 Friday weekend weeks days month year years ago summer Christmas end early yesterday 31 29 February - , . "
    "vor zwei Wochen letzte il y a deux ans hace dos semana pasada 昨天 上 周 五 年 月 日 前 5 2023年"
)
TEXTS = st.text(max_size=120) | st.lists(
    st.sampled_from(PIECES.split()),
    max_size=14,
).map(" ".join)
MOMENTS = (
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)) | st.none()
)


@given(TEXTS, MOMENTS, st.sampled_from([None, "en", "de", "fr", "es", "it", "zh", "ja", "pt", "und"]))
@example("9999 years ago, in 999 years, since 9999-12-31", datetime(9999, 12, 31, tzinfo=UTC), "en")
@example("last year, 500 years ago, last summer", datetime(1, 1, 1, tzinfo=UTC), "en")
@example("İ yesterday", MONDAY, "en")
@example("last May, between 5 and 3 June, June 5 to June 3, February 29 2023", MONDAY, "en")
def test_any_text_can_be_read(text, reference, language):
    end_of_last = 0
    for found in find_times(text, reference, language=language):
        start, end = found.span
        assert end_of_last <= start < end <= len(text)
        assert found.phrase == text[start:end]
        assert isinstance(found.granularity, Granularity)
        assert found.starts is not None or found.ends is not None
        if found.starts is not None and found.ends is not None:
            assert found.starts < found.ends
        for moment in (found.starts, found.ends):
            assert moment is None or abs(moment.timestamp()) < 1e12
        end_of_last = end


# Every word of the examples, and what else is made of them by the rules.
MORE_PIECES = (
    "first fourth 4th Sunday week back from within past coming before q3 Q3 1990s '90s the half of the beginning "
    "31.12.2023 2023-05 5/8/2023 2019-2021 in two weeks from now boxing day mother's st. patrick's rdto5"
)
WORDS = sorted({word for text, *_ in ENGLISH for word in text.split()} | set(PIECES.split()) | set(MORE_PIECES.split()))


@given(
    st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), st.sampled_from(["en", "de", "fr", "es", "it", "zh"])
)
@example("Thanksgiving, St. Patrick's day, the 4th of July, new year's eve, Mother’s Day, black Friday", "en")
@example("3rdto5 June, June 3-5, May 8th, 8-May, the first week in May, May last year, may '23", "en")
def test_no_rule_is_left_out_that_would_find_something(text, language):
    grammar = GRAMMARS.get(language) or (WIDE if language == "zh" else ENGLISH_GRAMMAR)
    lower = text.lower()
    words = frozenset(re.findall(r"[^\W\d_]+", lower)) | ({DIGIT} if re.search(r"\d", text) else set())
    reading = Reading(text, lower, words, MONDAY.date(), grammar.cues)
    tried_anyway = [replace(rule, words=words | {DIGIT}, beside=(), core=None) for rule in grammar.rules]
    anything = Reading(text, lower, words | {DIGIT}, MONDAY.date(), grammar.cues)
    assert scan(grammar.rules, reading, digits=True) == scan(tried_anyway, anything, digits=True)


def test_a_long_text_stays_affordable():
    hostile = "between the last week of the early may - " * 2_000
    assert len(hostile) > 2 * LONGEST_TEXT
    began = process_time()
    found = find_times(hostile, MONDAY)
    assert process_time() - began < 5.0
    assert len(found) <= MOST_FOUND


def test_a_turn_without_a_time_is_cheap():
    turn = "Wow, that sounds great! I really think you should keep painting, it clearly makes you and the kids happy."
    find_times(turn, MONDAY)
    began = process_time()
    for _ in range(200):
        assert find_times(turn, MONDAY) == ()
    # 15 µs on an idle machine; the bound catches what would be ten times that.
    assert (process_time() - began) / 200 < 150e-6
